import { PIN_MODES } from './pinned-images.ts';
import { type Policy, type PolicySettings, SELF_APPROVAL } from './policy.ts';
import type { PolicyPath } from './policy-explain.ts';
import type { PolicyMatch } from './policy-match.ts';
import { days, type PolicyProblem, problem } from './policy-problem.ts';
import { SETTING_NAMES, SETTING_PATHS, type SettingName } from './policy-words.ts';
import type { ApprovalRule } from './rule.ts';
import { globMatches, INPUTS, REF_LIMITS } from './scope.ts';
import { STEP_UPS } from './step-up.ts';
import { tolerates } from './tolerate.ts';
import { FOUR_EYES_LIVE, RECORDINGS } from './watching.ts';

/** True when whatever the second pattern fits, the first does too. A pattern stands for itself: `*` of it meets `*` alone. */
function listCovers<T extends string | number>(
  wide: readonly T[] | undefined,
  narrow: readonly T[] | undefined,
): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  return narrow.every((one) =>
    wide.some(
      (other) => other === one || (typeof other === 'string' && typeof one === 'string' && patternCovers(other, one)),
    ),
  );
}
const WORDS = ['protected', 'unprotected'];
const patternCovers = (wide: string, narrow: string): boolean =>
  WORDS.includes(wide) || (WORDS.includes(narrow) && wide !== '*') ? wide === narrow : globMatches(wide, narrow);

const lower = <T extends string | number>(list: readonly T[] | undefined) =>
  list?.map((one) => (typeof one === 'string' ? one.toLowerCase() : one));

/** True when the first speaks for every job that the second speaks for; false where nobody can tell. */
export function matchCovers(wide: PolicyMatch, narrow: PolicyMatch): boolean {
  return (
    listCovers(lower(wide.projects), lower(narrow.projects)) &&
    listCovers(wide.jobs, narrow.jobs) &&
    listCovers(wide.refs, narrow.refs) &&
    listCovers(lower(wide.environments), lower(narrow.environments))
  );
}

/** An entry none of whose settings is ever reached, since entries before it say them for every job that it speaks for. */
export function unreachable(policy: Policy, index: number): readonly PolicyProblem[] {
  const { match, settings } = policy.entries[index]!;
  const at: PolicyPath = ['configurations', index];
  const spoken = SETTING_NAMES.filter((name) => settings[name] !== undefined);
  if (spoken.length === 0) return [problem('error', at, 'says nothing: write a setting, or take it out')];
  const before = policy.entries.slice(0, index).filter((entry) => matchCovers(entry.match, match));
  const deciders = spoken.map((name) => before.find((entry) => entry.settings[name] !== undefined));
  if (deciders.every((entry) => entry !== undefined)) {
    const names = [...new Set(deciders.map((entry) => entry.name))].join(' and ');
    return [problem('error', at, `is never reached: ${names} before it decides all that it says`)];
  }
  return spoken.flatMap((name, i) =>
    deciders[i] === undefined
      ? []
      : [
          problem(
            'warning',
            [...at, ...SETTING_PATHS[name]],
            `is never reached: ${deciders[i].name} before it decides it`,
          ),
        ],
  );
}

const wider = <T>(order: readonly T[], a: T, b: T): boolean => order.indexOf(a) > order.indexOf(b);
const ruleKey = (rule: ApprovalRule): string => JSON.stringify([rule.who, rule.name]);

/** True when every rule of the second is asked for by the first too, for as many people or of a higher level. */
function asksAtLeast(rules: readonly ApprovalRule[], base: readonly ApprovalRule[]): boolean {
  return base.every((wanted) =>
    rules.some((rule) => {
      if (rule.count < wanted.count) return false;
      if (ruleKey({ ...rule, name: '' }) === ruleKey({ ...wanted, name: '' })) return true;
      const { who } = rule;
      return who.kind === 'access_level' && wanted.who.kind === 'access_level' && who.level >= wanted.who.level;
    }),
  );
}

/** Settings of an entry that ask for less than what holds for all jobs. */
function looser(settings: Partial<PolicySettings>, base: PolicySettings): readonly SettingName[] {
  const is: { readonly [K in SettingName]: (value: PolicySettings[K]) => boolean } = {
    rules: (rules) => !asksAtLeast(rules, base.rules),
    selfApproval: (mode) => wider(SELF_APPROVAL, mode, base.selfApproval),
    unknownAuthor: (mode) => mode === 'allow' && base.unknownAuthor !== 'allow',
    rejectsRequired: (count) => count > base.rejectsRequired,
    // Lets nobody pass who could not approve it alone, whatever they call the job.
    autoApprove: () => false,
    comment: (mode) => mode === 'optional' && base.comment === 'required',
    stepUp: (mode) => wider(STEP_UPS, base.stepUp, mode),
    scopes: ({ inputs, refs }) =>
      wider(INPUTS, inputs.max, base.scopes.inputs.max) ||
      wider(INPUTS, inputs.default, base.scopes.inputs.default) ||
      wider(INPUTS, inputs.environments, base.scopes.inputs.environments) ||
      wider(REF_LIMITS, refs, base.scopes.refs),
    lifetimes: ({ max, environments }) =>
      days(max) > days(base.lifetimes.max) || days(environments) > days(base.lifetimes.environments),
    // Which tolerance holds more than another nobody can tell in general: any that is not the one for all jobs is looked at.
    tolerance: (tolerance) => tolerates(tolerance) && JSON.stringify(tolerance) !== JSON.stringify(base.tolerance),
    coveredFiles: (patterns) => base.coveredFiles.some((pattern) => !patterns.includes(pattern)),
    pinImages: (mode) => wider(PIN_MODES, base.pinImages, mode),
    registries: (hosts) => hosts.some((host) => !base.registries.includes(host)),
    opaque: (names) => names.some((name) => !base.opaque.includes(name)),
    timeout: ({ minS, maxS }) =>
      (base.timeout.maxS !== null && (maxS === null || maxS > base.timeout.maxS)) ||
      (base.timeout.minS !== null && (minS === null || minS < base.timeout.minS)),
    requestTtlMs: () => false,
    rememberMs: (ms) => ms < base.rememberMs,
    superseded: () => false,
    breakGlass: ({ rules }) =>
      rules.some((rule) => !base.breakGlass.rules.some((each) => ruleKey(each) === ruleKey(rule))),
    recording: (mode) => wider(RECORDINGS, base.recording, mode),
    fourEyesLive: (mode) => wider(FOUR_EYES_LIVE, base.fourEyesLive, mode),
  };
  return SETTING_NAMES.filter((name) => {
    const value = settings[name];
    return value !== undefined && (is[name] as (value: unknown) => boolean)(value);
  });
}

/** What whoever pushes has in their hand, of what an entry goes by (T20, T35). */
export function chosenBy({ jobs, refs, environments }: PolicyMatch): readonly string[] {
  // Only who may push to a protected ref can choose a name there.
  if (refs?.every((ref) => ref === 'protected')) return [];
  return [
    ...(jobs === undefined ? [] : ['jobs']),
    ...(environments === undefined ? [] : ['environments']),
    ...(refs === undefined ? [] : ['refs']),
  ];
}

/** An entry that asks for less by something that whoever pushes chooses (T20, T35). */
export function loosened(policy: Policy, index: number): readonly PolicyProblem[] {
  const { match, settings } = policy.entries[index]!;
  const chosen = chosenBy(match);
  const less = looser(settings, policy.base).map((name) => SETTING_PATHS[name].join('.'));
  if (chosen.length === 0 || less.length === 0) return [];
  const what = chosen.map((key) => (key === 'refs' ? 'refs that are not protected' : `names of ${key}`)).join(' and ');
  return [
    problem(
      'warning',
      ['configurations', index, 'match', chosen[0]!],
      `asks for less (${less.join(', ')}) by ${what}: whoever pushes chooses them; add refs: [protected], or say it for projects`,
    ),
  ];
}
