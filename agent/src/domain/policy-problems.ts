import { type FreezeWindow, frozenUntil } from './freeze.ts';
import { namedChannels } from './notify/notify-policy.ts';
import type { Policy } from './policy.ts';
import type { PolicyPath } from './policy-explain.ts';
import { chosenBy, loosened, unreachable } from './policy-loosening.ts';
import { withNames } from './policy-names.ts';
import { peopleProblems } from './policy-people-problems.ts';
import { days, type PolicyCheck, type PolicyProblem, places, problem } from './policy-problem.ts';
import { INPUTS } from './scope.ts';

/** What is wrong with a policy beyond its form. */
export function policyProblems(given: Policy, check: PolicyCheck): readonly PolicyProblem[] {
  const policy = check.principals === null ? given : withNames(given, check.principals);
  return [
    ...settingsProblems(policy, check),
    ...policy.entries.flatMap((_, index) => unreachable(policy, index)),
    ...policy.entries.flatMap((_, index) => loosened(policy, index)),
    ...freezeProblems(policy, check),
    ...notifyProblems(policy, check),
    ...(check.principals === null ? [] : peopleProblems(policy, check.principals)),
  ];
}

/** Limits that stand below what they limit; only where the file says both, since what is unsaid is narrowed. */
function settingsProblems(policy: Policy, { has }: PolicyCheck): readonly PolicyProblem[] {
  return places(policy).flatMap(({ settings, at }) => {
    const found: PolicyProblem[] = [];
    const { lifetimes, scopes } = settings;
    const both = (a: PolicyPath, b: PolicyPath): boolean => has([...at, ...a]) && has([...at, ...b]);
    const above = (low: PolicyPath, high: PolicyPath) =>
      found.push(problem('error', [...at, ...high], `is below ${low.join('.')}: the default would never be reached`));
    if (lifetimes !== undefined) {
      for (const key of ['default', 'environments'] as const) {
        if (both(['lifetimes', key], ['lifetimes', 'max']) && days(lifetimes[key]) > days(lifetimes.max))
          above(['lifetimes', key], ['lifetimes', 'max']);
      }
    }
    if (scopes !== undefined) {
      for (const key of ['default', 'environments'] as const) {
        const wider = INPUTS.indexOf(scopes.inputs[key]) > INPUTS.indexOf(scopes.inputs.max);
        if (wider && both(['scopes', 'inputs', key], ['scopes', 'inputs', 'max']))
          above(['scopes', 'inputs', key], ['scopes', 'inputs', 'max']);
      }
    }
    const covers = (settings.coveredFiles ?? []).length > 0;
    if (covers && has([...at, 'scopes', 'inputs', 'max']) && scopes?.inputs.max !== 'admitted')
      found.push(
        problem(
          'error',
          [...at, 'scopes', 'inputs', 'max'],
          'is wider than covered_files allows: an artifact of a job that nobody approved could lie over what was hashed; write admitted, or take it out',
        ),
      );
    const { pinImages = 'off', registries = policy.base.registries } = settings;
    if (pinImages !== 'off' && registries.length === 0)
      found.push(
        problem(
          // No error: agents whose hosts build their images ask their own engine.
          'warning',
          [...at, 'pin_images'],
          'has no registry that may be asked: only an agent with pin.docker_socket could tell what an image stands for; name them under registries',
        ),
      );
    return found;
  });
}

/** Channels that nobody has defined, and people who are to be told and are nobody. */
function notifyProblems({ notify }: Policy, { channels = null, principals }: PolicyCheck): readonly PolicyProblem[] {
  if (notify === undefined) return [];
  const unknown = namedChannels(notify).filter(({ name }) => channels !== null && !channels.includes(name));
  const lists = [
    ...notify.routes.map(({ also }, i) => ({ also, at: ['notify', 'routes', i, 'also'] as PolicyPath })),
    ...notify.escalations.map(({ also }, i) => ({ also, at: ['notify', 'escalations', i, 'also'] as PolicyPath })),
  ];
  const nobody = lists.flatMap(({ also, at }) =>
    also.flatMap((who, i) =>
      principals === null || principals.users.some(({ id, username }) => id === who || username === who)
        ? []
        : [problem('error', [...at, i], `names ${who}: there is no such person`)],
    ),
  );
  const known = channels === null || channels.length === 0 ? 'there is none' : `there are ${channels.join(', ')}`;
  return [
    ...unknown.map(({ name, path }) => problem('error', path, `names the channel ${name}: ${known} in hub.notify`)),
    ...nobody,
  ];
}

const YEAR_MS = 366 * 86_400_000;
const ANYBODY = { projectId: 0, projectPath: null, job: '', ref: '', refProtected: false, environment: null };

/** True when no moment of a year is free of the window. */
function neverEnds(window: FreezeWindow, now: number): boolean {
  let until = now;
  while (until < now + YEAR_MS) {
    const next = frozenUntil([window], ANYBODY, until);
    if (next === null) return false;
    until = next;
  }
  return true;
}

function freezeProblems({ freezes }: Policy, { now }: PolicyCheck): readonly PolicyProblem[] {
  return freezes.flatMap((window, index) => {
    const at: PolicyPath = ['freeze', index];
    const found: PolicyProblem[] = [];
    const past = (end: { year: number; month: number; day: number }) =>
      Date.UTC(end.year, end.month - 1, end.day + 1) < now;
    if (window.when.every((when) => when.kind === 'dates' && past(when.to)))
      found.push(problem('warning', at, 'is over: take it out'));
    if (window.mode === 'hard' && neverEnds({ ...window, match: {}, except: [] }, now))
      found.push(problem('error', at, 'never ends: nothing would ever be released'));
    for (const [i, { name, match }] of window.except.entries()) {
      if (match.projects !== undefined) continue;
      const chosen = chosenBy(match);
      if (chosen.length > 0)
        found.push(
          problem(
            'warning',
            [...at, 'except', i, 'match'],
            `${name} goes by ${chosen.join(' and ')} alone: whoever pushes chooses them; name projects, or add refs: [protected]`,
          ),
        );
    }
    return found;
  });
}
