import { changesBehaviour } from './behaviour.ts';
import type { Section, ValueChange } from './configuration-diff.ts';
import { diffValues } from './configuration-diff.ts';
import { below } from './configuration-leaves.ts';
import { filesSectionOf } from './covered-files.ts';
import type { Facts } from './facts.ts';
import { fetchesAndRuns } from './fetch-and-run.ts';
import { imageNames, isPinned, registryOf } from './image-names.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { isDeceiving } from './marked-text.ts';
import { readable } from './segments.ts';

export const RISKS = [
  'approval_revoked',
  'new_registry',
  'new_image',
  'mutable_image',
  'new_service',
  'privileged',
  'pipe_to_shell',
  'runs_before_checkout',
  'files_unread',
  'file_leads_elsewhere',
  'behaviour_variable',
  'new_variable',
  'new_id_token',
  'deceiving_text',
  'long_line',
  'environment_changed',
  'ref_changed',
  'ref_unprotected',
  'foreign_inputs',
  'requester_is_author',
  'requester_unverified',
  'first_time_author',
] as const;
/** One thing that an approver should look at before anything else. */
export type Risk = (typeof RISKS)[number];

/** How much it asks for: `stop` and understand it, `look` at it, or know it. */
export type Weight = 'stop' | 'look' | 'know';

/** A risk that stands in one difference; the same input gives the same flags, in the same order. */
export interface RiskFlag {
  readonly risk: Risk;
  readonly weight: Weight;
  /** Where it stands; null when it is about the run and not about the configuration. */
  readonly section: Section | null;
  /** What was found, in words; it may hold text of whoever pushed. */
  readonly words: string;
  /** Why that matters. */
  readonly why: string;
  readonly paths: readonly string[];
}

/** What flags are raised from: two Configurations, and what is known of the run and of the one before. */
export interface RiskInput {
  /** Null: nothing was ever approved, and everything is new. */
  readonly before: JsonObject | null;
  readonly after: JsonObject;
  readonly facts: Pick<Facts, 'ref' | 'environment' | 'trigger' | 'commit'>;
  /** Where the other one was approved; null where there is none. */
  readonly approvedFor: { readonly ref: string; readonly environment: string | null } | null;
  /** True when somebody has taken back what it is compared with. */
  readonly isRevoked: boolean;
  /** Where artifacts come from that the job takes in. */
  readonly inputs: 'admitted' | 'same_pipeline' | 'any';
  /** Whether somebody who wrote it has never had a job run here before; null: not known. */
  readonly isFirstTimeAuthor: boolean | null;
}

/** A line that is longer is read by nobody to its end. */
const LONG_LINE_CHARACTERS = 400;

const PRIVILEGED_MEMBER =
  /(?:^|[.\]])(?:privileged|cap_add|capabilities|devices|security_opt|pid|ipc|userns(?:_mode)?|network_mode)(?:$|[.[])/i;

const listed = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;

function variableKeys(configuration: JsonObject | null): ReadonlySet<string> {
  const list = configuration?.variables;
  return new Set(isJsonList(list) ? list.flatMap((v) => (isJsonObject(v) ? [String(v.key)] : [])) : []);
}

/** Changes that bring something, with the text that they bring. */
const brought = (changes: readonly ValueChange[]) =>
  changes.flatMap((change) => (change.is === undefined ? [] : [{ ...change, text: readable(change.is) }]));

const isScriptLine = (path: string): boolean => /\.(?:script|lines)\[\d+\]$/.test(path);

function hasIdToken(value: Json | undefined): boolean {
  return isJsonList(value) && value.some((one) => isJsonObject(one) && one.jwt !== undefined);
}

/** What stands in images and services of the difference. */
function imageFlags({ before, after }: RiskInput): RiskFlag[] {
  const flags: RiskFlag[] = [];
  const [was, is] = [imageNames(before), imageNames(after)];
  const known = new Set(was.map(({ name }) => name));
  const registries = new Set(was.map(({ name }) => registryOf(name)));
  for (const role of ['image', 'services'] as const) {
    const own = is.filter((one) => one.role === role);
    const fresh = own.filter(({ name }) => !known.has(name));
    const section = role;
    const foreign = fresh.filter(({ name }) => !registries.has(registryOf(name)));
    if (foreign.length > 0) {
      flags.push({
        risk: 'new_registry',
        weight: before === null ? 'look' : 'stop',
        section,
        words: `${listed(foreign.map(({ name }) => name))} comes from ${listed([...new Set(foreign.map(({ name }) => registryOf(name)))])}, which this job took nothing from before`,
        why: 'Who runs a registry decides what is in its images. Everything in the image runs with the secrets of this job.',
        paths: foreign.map(({ path }) => path),
      });
    }
    if (role === 'image' && fresh.length > 0) {
      flags.push({
        risk: 'new_image',
        weight: 'look',
        section,
        words: `image ${listed(fresh.map(({ name }) => name))} is new for this job`,
        why: 'The image brings every program that the script calls, the shell itself included.',
        paths: fresh.map(({ path }) => path),
      });
    }
    if (role === 'services' && fresh.length > 0) {
      flags.push({
        risk: 'new_service',
        weight: 'look',
        section,
        words: `service ${listed(fresh.map(({ name }) => name))} is new for this job`,
        why: 'A service runs beside the job, sees its network, and stays up as long as the job does.',
        paths: fresh.map(({ path }) => path),
      });
    }
    const mutable = own.filter(({ name }) => !isPinned(name));
    if (mutable.length > 0) {
      flags.push({
        risk: 'mutable_image',
        weight: mutable.some(({ name }) => !known.has(name)) ? 'look' : 'know',
        section,
        words: `${listed(mutable.map(({ name }) => name))} is named by a tag and not by its digest`,
        why: 'What a tag stands for can be replaced at any time without a change here: the approval covers the name alone. Write image@sha256:… to fix it.',
        paths: mutable.map(({ path }) => path),
      });
    }
  }
  return flags;
}

/** What runs with more rights than a job needs. */
function privilegeFlags(changes: readonly ValueChange[]): RiskFlag[] {
  const found = brought(changes).filter(
    ({ path, text, section }) =>
      PRIVILEGED_MEMBER.test(path) ||
      (/^(?:image|services)/.test(path) && /\.user$/.test(path) && /^(?:0|root)(?::|$)/.test(text)) ||
      ((section === 'services' || section === 'image') && /(?:^|[/:-])dind\b|docker-in-docker/i.test(text)) ||
      (section === 'script' &&
        /--privileged\b|\/var\/run\/docker\.sock|--(?:pid|net|network|ipc)[= ]host\b|\bnsenter\b/.test(text)),
  );
  if (found.length === 0) return [];
  return [
    {
      risk: 'privileged',
      weight: 'stop',
      section: found[0]!.section,
      words: `${listed(found.map(({ path }) => path))} asks for rights on the host`,
      why: 'A job with the rights of the host, its Docker socket or a Docker of its own can leave its container and reach what else runs there.',
      paths: found.map(({ path }) => path),
    },
  ];
}

/** What stands in script lines that came. */
function scriptFlags(changes: readonly ValueChange[]): RiskFlag[] {
  const flags: RiskFlag[] = [];
  const lines = brought(changes).filter(
    ({ section, path }) => section === 'script' || (section === 'files' && isScriptLine(path)),
  );
  const piped = lines.filter(({ text }) => fetchesAndRuns(text));
  if (piped.length > 0) {
    flags.push({
      risk: 'pipe_to_shell',
      weight: 'stop',
      section: piped[0]!.section,
      words: `${piped.length === 1 ? 'a line runs' : `${piped.length} lines run`} what was just fetched from the network`,
      why: 'What is fetched can be another thing for every caller and at every moment; nobody can have read it before it runs.',
      paths: piped.map(({ path }) => path),
    });
  }
  const early = brought(changes).filter(({ path }) => path.startsWith('hooks'));
  if (early.length > 0) {
    flags.push({
      risk: 'runs_before_checkout',
      weight: 'look',
      section: 'script',
      words: `${listed(early.map(({ path }) => path))} runs before the sources are there`,
      why: 'Hooks run before and around the checkout and can change what is checked out.',
      paths: early.map(({ path }) => path),
    });
  }
  return flags;
}

/** What the policy wants covered of the repository and is not, all the same. */
function fileFlags({ before, after }: RiskInput): RiskFlag[] {
  const section = filesSectionOf(after);
  if (section === null) return [];
  if (section.files === null) {
    return [
      {
        risk: 'files_unread',
        weight: 'stop',
        section: 'files',
        words: `the files that the policy covers could not be read: ${section.unread}`,
        why: 'Nobody can say what the scripts behind the script lines do. An approve is for this run alone.',
        paths: ['covered_files.unread'],
      },
    ];
  }
  const known = new Set(
    (before === null ? [] : (filesSectionOf(before)?.files ?? [])).map((file) => JSON.stringify(file)),
  );
  const covered = new Set(section.files.map(({ path }) => path));
  const leads = section.files.filter(
    ({ path, target, commit }) =>
      commit !== undefined || (typeof target === 'string' && !covered.has(joined(String(path), target))),
  );
  if (leads.length === 0) return [];
  return [
    {
      risk: 'file_leads_elsewhere',
      weight: leads.some((file) => !known.has(JSON.stringify(file))) ? 'look' : 'know',
      section: 'files',
      words: `${listed(leads.map(({ path }) => String(path)))} leads to something that no pattern covers`,
      why: 'Of a link the target is covered, and of a submodule the commit: not what is there when the job runs.',
      paths: leads.map(({ path }) => below('covered_files.files', String(path))),
    },
  ];
}

/** Where a link leads, from the root of the repository; a path that leaves it is none of its own. */
function joined(path: string, target: string): string {
  if (target.startsWith('/')) return target;
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..' && parts.length > 0) parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

/** What stands in variables that came or changed. */
function variableFlags({ before, after }: RiskInput, changes: readonly ValueChange[]): RiskFlag[] {
  const flags: RiskFlag[] = [];
  const keyOf = (path: string): string =>
    /^variables(?:\.([A-Za-z_][\w-]*)|\[("(?:[^"\\]|\\.)*")\])/.exec(path)?.slice(1).find(Boolean) ?? '';
  const touched = [
    ...new Set(brought(changes).flatMap(({ section, path }) => (section === 'variables' ? [keyOf(path)] : []))),
  ].filter((key) => key !== '' && changesBehaviour(key));
  if (touched.length > 0) {
    flags.push({
      risk: 'behaviour_variable',
      weight: 'stop',
      section: 'variables',
      words: `${listed(touched)} ${touched.length === 1 ? 'changes' : 'change'} how the runner, the shell or a program behaves`,
      why: 'Variables of such names decide which programs are started, what they load first and whom they trust, without a word in the script.',
      paths: touched.map((key) => `variables.${key}`),
    });
  }
  const old = variableKeys(before);
  const fresh = [...variableKeys(after)].filter((key) => !old.has(key) && !changesBehaviour(key));
  if (before !== null && fresh.length > 0) {
    flags.push({
      risk: 'new_variable',
      weight: 'look',
      section: 'variables',
      words: `${fresh.length === 1 ? 'variable' : 'variables'} ${listed(fresh)} ${fresh.length === 1 ? 'is' : 'are'} new`,
      why: 'Scripts, tools and images read variables that nobody set before; a new name can switch something on.',
      paths: fresh.map((key) => `variables.${key}`),
    });
  }
  const tokens = changes.filter((change) => hasIdToken(change.is));
  if (tokens.length > 0) {
    flags.push({
      risk: 'new_id_token',
      weight: 'look',
      section: tokens[0]!.section,
      words: `${listed(tokens.map(({ path }) => path))} is an id token that is new or for somebody else than before`,
      why: 'Whoever the token is for (aud) takes this job for what its subject (sub) says, and gives it what that may have.',
      paths: tokens.map(({ path }) => path),
    });
  }
  return flags;
}

/** What hides in a text, or hides by its length. */
function textFlags(changes: readonly ValueChange[]): RiskFlag[] {
  const flags: RiskFlag[] = [];
  const texts = brought(changes);
  const deceiving = texts.filter(({ path, text }) => isDeceiving(text) || isDeceiving(path));
  if (deceiving.length > 0) {
    flags.push({
      risk: 'deceiving_text',
      weight: 'stop',
      section: deceiving[0]!.section,
      words: `${deceiving.length === 1 ? 'a text has' : `${deceiving.length} texts have`} characters that are not seen, reorder text or pass for others`,
      why: 'What runs is not what it looks like elsewhere. Here each such character is shown by its code point or underlined.',
      paths: deceiving.map(({ path }) => path),
    });
  }
  const long = texts.filter(
    ({ path, text }) => isScriptLine(path) && text.split('\n').some((line) => line.length > LONG_LINE_CHARACTERS),
  );
  if (long.length > 0) {
    const most = Math.max(...long.flatMap(({ text }) => text.split('\n').map((line) => line.length)));
    flags.push({
      risk: 'long_line',
      weight: 'look',
      section: long[0]!.section,
      words: `${long.length === 1 ? 'a line is' : `${long.length} lines are`} longer than ${LONG_LINE_CHARACTERS} characters, up to ${most}`,
      why: 'The end of a long line stands where nobody looks. Here it is shown to its end.',
      paths: long.map(({ path }) => path),
    });
  }
  return flags;
}

/** What is known of this run. */
function runFlags({ facts, approvedFor, isRevoked, inputs, isFirstTimeAuthor }: RiskInput): RiskFlag[] {
  const flags: RiskFlag[] = [];
  const about = (risk: Risk, weight: Weight, words: string, why: string): void => {
    flags.push({ risk, weight, section: null, words, why, paths: [] });
  };
  if (isRevoked) {
    about(
      'approval_revoked',
      'stop',
      'the approval of what this is compared with has been revoked since',
      'Nobody vouches for what is shown as unchanged. Find out why it was revoked, or compare with another configuration, or with nothing, and look at all of it.',
    );
  }
  const environment = facts.environment?.name ?? null;
  if (approvedFor !== null && approvedFor.environment !== environment) {
    const of = (name: string | null) => (name === null ? 'no environment' : `environment ${name}`);
    about(
      'environment_changed',
      'stop',
      `it is for ${of(environment)}; what was approved is for ${of(approvedFor.environment)}`,
      'The environment decides which secrets the job gets and what it can reach.',
    );
  }
  if (approvedFor !== null && approvedFor.ref !== facts.ref.full) {
    about(
      'ref_changed',
      'know',
      `it is for ${facts.ref.full}; what was approved is for ${approvedFor.ref}`,
      'The ref decides which files of the repository the script finds.',
    );
  }
  if (!facts.ref.protected) {
    about(
      'ref_unprotected',
      'look',
      `${facts.ref.full} is not protected`,
      'Anybody who may push decides which files the script finds, also after the approval.',
    );
  }
  if (inputs === 'any') {
    about(
      'foreign_inputs',
      'look',
      'it unpacks artifacts of jobs that GitLab did not confirm to be of the same pipeline',
      'Artifacts are unpacked over the sources: whoever makes them can change what the script runs.',
    );
  }
  const { trigger, commit } = facts;
  const wrote = (commit.people ?? []).some(({ id }) => id !== null && id === trigger.id);
  if (wrote) {
    about(
      'requester_is_author',
      'know',
      'whoever triggered it also wrote it',
      'Nobody but that person may have seen the change: this review is its first.',
    );
  }
  if (trigger.verified === 'unverified') {
    about(
      'requester_unverified',
      'look',
      'who triggered it is told by a variable alone',
      'Anybody who may start a pipeline can set such a variable; GitLab could not be asked.',
    );
  }
  if (isFirstTimeAuthor === true) {
    about(
      'first_time_author',
      'look',
      'somebody who wrote it has had no job run here before',
      'A new author may be a colleague of today, or an account that was taken over.',
    );
  }
  return flags;
}

const WEIGHTS: readonly Weight[] = ['stop', 'look', 'know'];

/** All risks that stand in a difference, the heaviest first; deterministic, and each explains itself. */
export function riskFlags(input: RiskInput): readonly RiskFlag[] {
  const changes = diffValues(input.before, input.after);
  const flags = [
    ...privilegeFlags(changes),
    ...scriptFlags(changes),
    ...fileFlags(input),
    ...textFlags(changes),
    ...imageFlags(input),
    ...variableFlags(input, changes),
    ...runFlags(input),
  ];
  return WEIGHTS.flatMap((weight) => flags.filter((flag) => flag.weight === weight));
}
