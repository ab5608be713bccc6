import { recurrenceWords } from './calendar.ts';
import type { FreezeWindow } from './freeze.ts';
import type { LifetimeLimit } from './lifetime.ts';
import type { PolicySettings } from './policy.ts';
import type { PolicyMatch } from './policy-match.ts';
import { type ApprovalRule, whoWords } from './rule.ts';
import { tolerates } from './tolerate.ts';

/** Name of a setting. */
export type SettingName = keyof PolicySettings;

/** Where a setting stands in the file, in the order in which people read them. */
export const SETTING_PATHS = {
  rules: ['rules'],
  selfApproval: ['self_approval'],
  unknownAuthor: ['unknown_author'],
  rejectsRequired: ['rejects_required'],
  autoApprove: ['auto_approve'],
  comment: ['comment'],
  stepUp: ['step_up'],
  scopes: ['scopes'],
  lifetimes: ['lifetimes'],
  tolerance: ['tolerate'],
  opaque: ['variables', 'opaque'],
  coveredFiles: ['covered_files'],
  pinImages: ['pin_images'],
  registries: ['registries'],
  timeout: ['timeout'],
  requestTtlMs: ['request_ttl'],
  rememberMs: ['remember'],
  superseded: ['superseded'],
  breakGlass: ['break_glass'],
  recording: ['recording'],
  fourEyesLive: ['four_eyes_live'],
} as const satisfies Record<SettingName, readonly string[]>;
/** Every setting. */
export const SETTING_NAMES = Object.keys(SETTING_PATHS) as readonly SettingName[];

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
] as const;

/** A time as the file writes it. */
export function durationWords(ms: number): string {
  const [unit, letter] = UNITS.find(([each]) => ms >= each && ms % each === 0) ?? [1, 'ms'];
  return `${ms / unit}${letter}`;
}

const limitWords = (limit: LifetimeLimit): string => (limit.kind === 'days' ? `${limit.days}d` : limit.kind);

/** A rule in words: `2 × security (members of acme/security)`. */
export function ruleWords(rule: ApprovalRule): string {
  return `${rule.count} × ${rule.name} (${whoWords(rule.who)})`;
}

/** Rules in words; none is nobody (T16). */
export function rulesWords(rules: readonly ApprovalRule[]): string {
  return rules.map(ruleWords).join(' and ') || 'nobody';
}

/** A setting in words. */
export function settingWords<K extends SettingName>(name: K, settings: PolicySettings): string {
  const { scopes, lifetimes, timeout, breakGlass } = settings;
  switch (name) {
    case 'rules':
      return rulesWords(settings.rules);
    case 'selfApproval':
      return settings.selfApproval;
    case 'unknownAuthor':
      return settings.unknownAuthor;
    case 'rejectsRequired':
      return String(settings.rejectsRequired);
    case 'autoApprove':
      return settings.autoApprove;
    case 'comment':
      return settings.comment;
    case 'stepUp':
      return settings.stepUp;
    case 'scopes':
      return `artifacts ${scopes.inputs.default} (with an environment ${scopes.inputs.environments}), at most ${scopes.inputs.max}; refs at most ${scopes.refs}`;
    case 'lifetimes':
      return `${limitWords(lifetimes.default)}, at most ${limitWords(lifetimes.max)}, with an environment at most ${limitWords(lifetimes.environments)}`;
    case 'tolerance':
      return tolerates(settings.tolerance) ? toleranceWords(settings.tolerance) : 'nothing';
    case 'opaque':
      return settings.opaque.join(', ') || 'none';
    case 'coveredFiles':
      return settings.coveredFiles.join(', ') || 'none';
    case 'pinImages':
      return settings.pinImages;
    case 'registries':
      return settings.registries.join(', ') || 'none';
    case 'timeout':
      return `${timeout.minS === null ? 'any' : durationWords(timeout.minS * 1_000)} to ${timeout.maxS === null ? 'any' : durationWords(timeout.maxS * 1_000)}`;
    case 'requestTtlMs':
      return durationWords(settings.requestTtlMs);
    case 'rememberMs':
      return durationWords(settings.rememberMs);
    case 'superseded':
      return settings.superseded;
    case 'breakGlass':
      return breakGlass.rules.length === 0
        ? 'nobody'
        : `any one of ${rulesWords(breakGlass.rules)}, for ${durationWords(breakGlass.forMs)}, looked at within ${durationWords(breakGlass.reviewWithinMs)}${breakGlass.duringFreeze ? ', during a freeze too' : ''}`;
    case 'recording':
      return settings.recording;
    case 'fourEyesLive':
      return settings.fourEyesLive;
    default:
      return name satisfies never;
  }
}

function toleranceWords({ fields, variables, dependencies, images, cacheIndex }: PolicySettings['tolerance']): string {
  const { masked, values, ambient, shapes, templates } = variables;
  const named = (what: string, list: readonly string[]) => (list.length === 0 ? [] : [`${what} ${list.join(', ')}`]);
  return [
    ...(masked ? ['values of masked variables'] : []),
    ...named('values of', values),
    ...named('variables', ambient),
    ...named('shapes of', Object.keys(shapes)),
    ...named('templates of', Object.keys(templates)),
    ...named('fields', fields),
    ...named('artifacts of', dependencies),
    ...named('images', images),
    ...(cacheIndex ? ['the number of a cache'] : []),
  ].join('; ');
}

/** For which jobs something holds, in words. */
export function matchWords({ projects, jobs, refs, environments }: PolicyMatch): string {
  const part = (what: string, list: readonly (string | number)[] | undefined) =>
    list === undefined ? [] : [`${what} ${list.join(' or ')}`];
  const parts = [
    ...part('projects', projects),
    ...part('jobs', jobs),
    ...part('refs', refs),
    ...part('environments', environments),
  ];
  return parts.join(', ') || 'every job';
}

/** A window in words. */
export function freezeWords(window: FreezeWindow): string {
  const does = window.mode === 'hard' ? 'nothing is released' : `also needed: ${rulesWords(window.rules)}`;
  const except = window.except.map(({ name, match }) => `${name}: ${matchWords(match)}`).join('; ');
  return `${window.when.map(recurrenceWords).join(' and ')} (${window.timeZone}), ${matchWords(window.match)}: ${does}${except === '' ? '' : `; except ${except}`}`;
}
