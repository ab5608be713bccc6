import type { Round } from './round.ts';
import { RULES, type Rule } from './rules.ts';
import { FAULTS, type FaultKind } from './schedule.ts';

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
  const rests = rounds.map(({ history }) => history.restMs ?? Number.NaN).sort((a, b) => a - b);
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
    `| jobs that GitLab handed out | ${handedOut} |\n| --- | ---: |`,
    ...words.map((word) => `| ${word} | ${sum(rounds.map(({ outcomes }) => outcomes[word]))} |`),
    '',
    ...(['approve', 'reject', 'deny', 'revoke'] as const).map((what) => `${what}: ${said(what)}`),
    `at rest after ${(rests[Math.floor(rests.length / 2)]! / 1_000).toFixed(1)} s (median), ${(rests.at(-1)! / 1_000).toFixed(1)} s at most`,
    '',
    '| rule | broken |\n| --- | ---: |',
    ...(Object.keys(RULES) as Rule[]).map(
      (rule) =>
        `| ${RULES[rule]} | ${rounds.flatMap(({ violations }) => violations).filter((one) => one.rule === rule).length} |`,
    ),
  ].join('\n');
}
