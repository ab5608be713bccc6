import type { Round } from './round.ts';
import { RULES, type Rule } from './rules.ts';
import { FAULTS, type FaultKind } from './schedule.ts';

/** What a rule is held against. */
const HELD_AGAINST: Readonly<Record<Rule, string>> = {
  lost: 'jobs',
  unapproved: 'runs',
  payload: 'runs',
  twice: 'runs',
  uses: 'counted runs',
  rejected: 'rejects',
  vote: 'acknowledgements',
  audit: 'rows',
  states: 'holds',
  rest: 'storms',
  alive: 'runs',
};
const sum = (counts: readonly (number | undefined)[]): number => counts.reduce<number>((all, n) => all + (n ?? 0), 0);

/** What many storms came to: jobs in and out, faults by kind, rules. */
export function reportOf(rounds: readonly Round[]): string {
  const kinds = Object.keys(FAULTS) as FaultKind[];
  const words = [...new Set(rounds.flatMap(({ outcomes }) => Object.keys(outcomes)))].sort();
  const asked = rounds.flatMap(({ history }) => history.asked);
  const said = (what: string) =>
    (['taken', 'refused', 'unknown'] as const)
      .map((answer) => `${asked.filter((one) => one.what === what && one.answer === answer).length} ${answer}`)
      .join(', ');
  const why = [...new Set(rounds.flatMap(({ excused }) => Object.keys(excused)))].sort();
  const broken = rounds.filter(({ violations }) => violations.length > 0);
  const restsOf = (of: 'restMs' | 'restWallMs'): string => {
    const all = rounds.flatMap(({ history }) => history[of] ?? []).sort((a, b) => a - b);
    const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`);
    return `${seconds(all[Math.floor(all.length / 2)])} (median), ${seconds(all.at(-1))} at most`;
  };
  const injected = sum(rounds.flatMap(({ injected: of }) => Object.values(of)));
  const handedOut = sum(
    rounds.map(({ history }) => history.gitlab.filter(({ handedOutAt }) => handedOutAt !== null).length),
  );
  return [
    '',
    `${rounds.length} storms, seeds ${rounds[0]?.options.seed} to ${rounds.at(-1)?.options.seed}; ${injected} faults`,
    '',
    `| fault | times |\n| --- | ---: |`,
    ...kinds
      .map((kind) => [kind, sum(rounds.map((round) => round.injected[kind]))] as const)
      .flatMap(([kind, n]) => (n > 0 ? [`| ${kind} | ${n} |`] : [])),
    `| messages sent twice, and out of turn | ${sum(rounds.map((r) => r.shuffled.twice))}, ${sum(rounds.map((r) => r.shuffled.overtaken))} |`,
    '',
    `jobs in GitLab's queue: ${sum(rounds.map(({ history }) => history.queued.length))}; runs of a script: ${sum(rounds.map(({ history }) => history.started.length))}`,
    '',
    `| jobs that GitLab handed out | ${handedOut} |\n| --- | ---: |`,
    ...words.map((word) => `| ${word} | ${sum(rounds.map(({ outcomes }) => outcomes[word]))} |`),
    '',
    ...(['approve', 'reject', 'deny', 'revoke'] as const).map((what) => `${what}: ${said(what)}`),
    `at rest after ${restsOf('restMs')}; by the wall, with what the machine held back, ${restsOf('restWallMs')}`,
    '',
    '| excused | times |\n| --- | ---: |',
    ...why.map((each) => `| ${each} | ${sum(rounds.map(({ excused }) => excused[each]))} |`),
    '',
    '| rule | held against | broken |\n| --- | ---: | ---: |',
    ...(Object.keys(RULES) as Rule[]).map(
      (rule) =>
        `| ${RULES[rule]} | ${sum(rounds.map((round) => round.looked[rule]))} ${HELD_AGAINST[rule]} | ${rounds.flatMap(({ violations }) => violations).filter((one) => one.rule === rule).length} |`,
    ),
    '',
    broken.length === 0
      ? 'No rule was broken.'
      : `BROKEN with the seeds ${broken.map(({ options }) => options.seed).join(', ')}`,
  ].join('\n');
}
