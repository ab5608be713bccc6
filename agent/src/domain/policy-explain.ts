import { type Freeze, freezeAt } from './freeze.ts';
import { type Escalation, NO_NOTIFY, type NotifyRoute } from './notify/notify-policy.ts';
import { effectivePolicy, type Policy, type PolicyEntry } from './policy.ts';
import { entryFits, type PolicyTarget } from './policy-match.ts';
import {
  durationWords,
  freezeWords,
  matchWords,
  ruleWords,
  SETTING_NAMES,
  SETTING_PATHS,
  type SettingName,
  settingWords,
} from './policy-words.ts';
import type { Member } from './principal.ts';
import { combined, deployWords, mayDeploy, protectionsOf } from './protected-environment.ts';
import { type ApprovalRule, satisfies } from './rule.ts';

/** Where something stands in the file: keys and indexes. */
export type PolicyPath = readonly (string | number)[];

/** One setting as it holds for the job, and who says so. */
export interface ExplainedSetting {
  /** As the file writes it. */
  readonly key: string;
  readonly words: string;
  /** Name of the entry that decides it; null: what holds for all jobs. */
  readonly entry: string | null;
  /** Where it stands, if anywhere: what holds for all jobs may be as shipped. */
  readonly path: PolicyPath;
}
/** An entry that fits. */
export interface ExplainedEntry {
  readonly name: string;
  readonly match: string;
  readonly path: PolicyPath;
  /** Keys that it decides; the others that it speaks of were decided by an entry before it. */
  readonly decides: readonly string[];
  readonly overruled: readonly string[];
}
/** A rule, and who could satisfy it; null where nobody said who there is. */
export interface ExplainedRule {
  readonly words: string;
  readonly people: readonly string[] | null;
}
/** What the policy says of one job, in words. */
export interface Explanation {
  readonly policy: string;
  readonly target: PolicyTarget;
  readonly entries: readonly ExplainedEntry[];
  readonly settings: readonly ExplainedSetting[];
  readonly rules: readonly ExplainedRule[];
  readonly breakGlass: readonly ExplainedRule[];
  /** Windows that can hold for the job, and those that hold at this moment. */
  readonly windows: readonly { readonly name: string; readonly words: string; readonly path: PolicyPath }[];
  readonly freeze: Freeze;
  /** Who is told what of it: routes and escalations that fit. */
  readonly told: readonly { readonly words: string; readonly path: PolicyPath }[];
  /** What protects its environment, of the file alone; null for a job without one, or one that the file does not protect. */
  readonly deployment: {
    readonly sources: readonly string[];
    readonly rules: readonly ExplainedRule[];
    readonly deploy: { readonly words: string; readonly people: readonly string[] | null };
  } | null;
}

/** Of more people nobody would read the names. */
const MAX_NAMED = 20;

const keyOf = (name: SettingName): string => SETTING_PATHS[name].join('.');
const says = (entry: PolicyEntry, name: SettingName): boolean => entry.settings[name] !== undefined;

/** User names, the first of them; null where nobody said who there is. */
function namesOf(members: readonly Member[] | null, fits: (member: Member) => boolean): readonly string[] | null {
  if (members === null) return null;
  const found = members.filter(fits).map(({ person }) => person.username);
  return found.length > MAX_NAMED ? [...found.slice(0, MAX_NAMED), `${found.length - MAX_NAMED} more`] : found;
}

/**
 * What the policy says of a job: which entries fit, which of them decides each setting, and who could satisfy the rules.
 * `members` is everybody who could, null where nobody said; names in the policy have been looked up.
 */
export function explainPolicy(
  policy: Policy,
  target: PolicyTarget,
  {
    now,
    members,
    tier = null,
  }: { readonly now: number; readonly members: readonly Member[] | null; readonly tier?: string | null },
): Explanation {
  const fitting = policy.entries.flatMap((entry, index) => (entryFits(entry.match, target) ? [{ entry, index }] : []));
  const here = effectivePolicy(policy, target);
  const deciderOf = (name: SettingName) => fitting.find(({ entry }) => says(entry, name));
  const explained = (rules: readonly ApprovalRule[]): readonly ExplainedRule[] =>
    rules.map((rule) => ({ words: ruleWords(rule), people: namesOf(members, (member) => satisfies(rule, member)) }));
  const freeze = freezeAt(policy.freezes, target, now);
  return {
    policy: policy.version,
    target,
    entries: fitting.map(({ entry, index }) => {
      const spoken = SETTING_NAMES.filter((name) => says(entry, name));
      return {
        name: entry.name,
        match: matchWords(entry.match),
        path: ['configurations', index],
        decides: spoken.filter((name) => deciderOf(name)?.index === index).map(keyOf),
        overruled: spoken.filter((name) => deciderOf(name)?.index !== index).map(keyOf),
      };
    }),
    settings: SETTING_NAMES.map((name) => {
      const decider = deciderOf(name);
      const within = decider === undefined ? [] : ['configurations', decider.index];
      return {
        key: keyOf(name),
        words: settingWords(name, here),
        entry: decider?.entry.name ?? null,
        path: [...within, ...SETTING_PATHS[name]],
      };
    }),
    rules: explained([...here.rules, ...(freeze.extra?.rules ?? [])]),
    breakGlass: explained(here.breakGlass.rules),
    windows: policy.freezes.flatMap((window, index) =>
      entryFits(window.match, target)
        ? [{ name: window.name, words: freezeWords(window), path: ['freeze', index] }]
        : [],
    ),
    freeze,
    told: toldOf(policy, target),
    deployment: deploymentOf(policy, target, tier, members, explained),
  };
}

function toldOf({ notify = NO_NOTIFY }: Policy, target: PolicyTarget): Explanation['told'] {
  const routes = notify.routes.flatMap((one, i) =>
    entryFits(one.match, target) ? [{ words: routeWords(one), path: ['notify', 'routes', i] as PolicyPath }] : [],
  );
  const escalations = notify.escalations.flatMap((one, i) =>
    entryFits(one.match, target)
      ? [{ words: escalationWords(one), path: ['notify', 'escalations', i] as PolicyPath }]
      : [],
  );
  return [...routes, ...escalations];
}

function routeWords({ name, events, severity, channels, to, also, digestMs }: NotifyRoute): string {
  const what = `${events === undefined ? 'everything' : events.join(', ')}${severity === 'info' ? '' : ` that is ${severity} or more`}`;
  const digest = digestMs === 0 ? '' : `, collected over ${durationWords(digestMs)}`;
  return `${name}: ${what}, by ${channels.join(', ')}, to ${[...to, ...also].join(', ') || 'nobody by name'}${digest}`;
}

function escalationWords({ name, afterMs, channels, also }: Escalation): string {
  return `${name}: what waits for ${durationWords(afterMs)}, by ${channels.join(', ')}, to ${['approvers', ...also].join(', ')}`;
}

function deploymentOf(
  policy: Policy,
  { projectId, projectPath, environment }: PolicyTarget,
  tier: string | null,
  members: readonly Member[] | null,
  explained: (rules: readonly ApprovalRule[]) => readonly ExplainedRule[],
): Explanation['deployment'] {
  if (environment === null) return null;
  const of = { projectId, projectPath, groups: null, environment: { name: environment, tier } };
  const protections = protectionsOf(policy.environments, [], of);
  if (protections.length === 0) return null;
  const { sources, rules, deployAccess } = combined(protections);
  return {
    sources,
    rules: explained(rules),
    deploy: { words: deployWords(deployAccess), people: namesOf(members, (member) => mayDeploy(deployAccess, member)) },
  };
}

const people = ({ words, people: names }: ExplainedRule): string =>
  names === null ? words : `${words}: ${names.length === 0 ? 'nobody at present' : names.join(', ')}`;

/** The explanation as lines for a terminal; `where` says of a path on which line it stands, or that it is as shipped. */
export function explanationLines(of: Explanation, where: (path: PolicyPath) => string): readonly string[] {
  const { target, freeze, deployment } = of;
  const place = `${target.ref}${target.refProtected ? ' (protected)' : ' (not protected)'}`;
  const lines = [
    `${target.projectPath ?? `project ${target.projectId}`}, job ${target.job}, ${place}, ${target.environment === null ? 'no environment' : `environment ${target.environment}`}`,
    `Policy ${of.policy}`,
    '',
    of.entries.length === 0 ? 'No entry fits: what holds for all jobs holds.' : 'Entries that fit, in their order:',
  ];
  for (const entry of of.entries) {
    const decides = entry.decides.length === 0 ? 'decides nothing' : `decides ${entry.decides.join(', ')}`;
    const overruled = entry.overruled.length === 0 ? '' : ` (${entry.overruled.join(', ')}: an entry before it does)`;
    lines.push(`  ${entry.name} (${where(entry.path)}; ${entry.match}): ${decides}${overruled}`);
  }
  lines.push('', 'What holds:');
  for (const { key, words, entry, path } of of.settings) {
    lines.push(`  ${key}: ${words}  [${entry === null ? where(path) : `${entry}, ${where(path)}`}]`);
  }
  lines.push('', 'Who may approve, every rule by different people:', ...of.rules.map((rule) => `  ${people(rule)}`));
  if (freeze.extra !== null) {
    lines.push(`  (with the rules of ${freeze.extra.names.join(' and ')}, until ${iso(freeze.extra.until)})`);
  }
  if (of.breakGlass.length > 0)
    lines.push('', 'Who may break the glass, alone:', ...of.breakGlass.map((rule) => `  ${people(rule)}`));
  if (of.windows.length > 0) {
    lines.push('', 'Freeze windows that touch it:');
    for (const { name, words, path } of of.windows) lines.push(`  ${name} (${where(path)}): ${words}`);
    if (freeze.hard !== null)
      lines.push(`  now: frozen by ${freeze.hard.names.join(' and ')} until ${iso(freeze.hard.until)}`);
    for (const excepted of freeze.excepted) lines.push(`  now: not kept back by ${excepted}`);
    if (freeze.hard === null && freeze.excepted.length === 0 && freeze.extra === null) lines.push('  now: none holds');
  }
  if (of.told.length > 0) {
    lines.push('', 'Who is told:', ...of.told.map(({ words, path }) => `  ${words} (${where(path)})`));
  }
  if (deployment !== null) {
    lines.push('', `Its environment is protected by ${deployment.sources.join(', ')}; each deployment needs:`);
    lines.push(
      ...(deployment.rules.length === 0 ? ['  no votes'] : deployment.rules.map((rule) => `  ${people(rule)}`)),
    );
    lines.push(`  to start it: ${people(deployment.deploy)}`);
  }
  return lines;
}

const iso = (at: number): string => `${new Date(at).toISOString().slice(0, 16)}Z`;

/** How long ago, for people who look at when a policy was read. */
export function agoWords(from: number, now: number): string {
  const minutes = Math.max(0, Math.floor((now - from) / 60_000));
  return minutes === 0 ? 'just now' : `${durationWords(minutes * 60_000)} ago`;
}
