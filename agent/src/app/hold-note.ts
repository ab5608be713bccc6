import { overInUtc } from '../domain/approval-over.ts';
import type { Change } from '../domain/configuration-diff.ts';
import { HIDDEN_TAG, hideTagsOfChange } from '../domain/hidden-values.ts';
import type { Hold } from '../domain/hold.ts';
import { namesInWords } from '../domain/names.ts';
import type { Member, Person } from '../domain/principal.ts';
import { printable } from '../domain/printable.ts';
import { entitled } from '../domain/quorum.ts';
import type { Requirement } from '../domain/requirement.ts';
import { whoWords } from '../domain/rule.ts';
import type { NearestDiff } from './nearest.ts';
import type { QuorumView } from './standing.ts';

/** A job log is not the place for a whole diff; the link is. */
const MAX_CHANGES = 20;
const MAX_LINE_CHARS = 240;

const cut = (text: string): string => (text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)} …` : text);
const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
const time = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** Names of people; of many the first, and how many more there are. */
export function names(people: readonly Member[]): string {
  return namesInWords(people.map((member) => member.person.username));
}

/** The rules in words: `1 × maintainers (maintainer or higher)`. */
export function rulesInWords(requirement: Requirement): string {
  return requirement.rules.map((rule) => `${rule.count} × ${rule.name} (${whoWords(rule.who)})`).join(' and ');
}

/** Who may approve under the requirement, and who may not although they belong to them. */
export function whoMayApprove(requirement: Requirement, members: readonly Member[]): string {
  const could = members.filter((member) => entitled(requirement, member));
  const may = could.filter((member) => !requirement.excluded.includes(member.person.id));
  if (may.length === 0) {
    return `nobody at present: the policy asks for ${rulesInWords(requirement) || 'nobody'}, and the hub knows no such person for this project`;
  }
  return `${names(may)}; needed: ${rulesInWords(requirement)}`;
}

/** A change in words, then the text before and after; a value that is hidden is only said to have changed. */
function changeLines({ words, before, after }: Change): string[] {
  // Only a text that is nothing but a tag: a script line that merely mentions one must not vanish from the note (T33).
  const shown = (text: string | null): text is string => text !== null && text !== HIDDEN_TAG;
  const texts = [shown(before) ? `    - ${before}` : null, shown(after) ? `    + ${after}` : null];
  return [`  ${words}`, ...texts.filter((text) => text !== null)];
}

/** Who cannot approve for what they did themselves, and what nobody could tell of that (T17, T18). */
function excludedLines(hold: Hold, requirement: Requirement, members: readonly Member[]): readonly string[] {
  const { excluded, unknown, trigger } = requirement;
  const lines: string[] = [];
  if (trigger.id !== null && excluded.includes(trigger.id)) {
    const name = trigger.username ?? hold.trigger.username ?? `user ${trigger.id}`;
    lines.push(
      trigger.verified === 'unverified'
        ? `Who triggered it could not be verified: ${name} cannot approve it.`
        : `${name} triggered it and cannot approve it.`,
    );
  }
  const authors = members.filter(({ person }) => person.id !== trigger.id && excluded.includes(person.id));
  if (authors.length > 0) lines.push(`In its commit, and so cannot approve it: ${names(authors)}.`);
  if (unknown.length > 0)
    lines.push(`Nobody could tell ${unknown.join(' and ')}: every rule asks for one more person.`);
  return lines;
}

/** The note of a job that nobody has to decide on: the calendar lets it go. */
function frozenNote(hold: Hold, reason: string, url: string): string {
  const lines = [
    `Holdpoint: this job is approved, and ${reason} (hold ${hold.id}).`,
    `More: ${url} or "holdpoint holds show ${hold.id}"`,
    `It expires at ${time(hold.expiresAt)} if it has not started by then; run the job again then.`,
  ];
  return lines.map((line) => cut(printable(line))).join('\n');
}

/** Who could watch a job before it starts, as its log tells it. */
export function watchersInWords(people: readonly Pick<Person, 'username'>[]): string {
  if (people.length > 0) return namesInWords(people.map(({ username }) => username));
  return 'nobody at present: whoever may approve it caused it';
}

/** The note of a job that is approved and that somebody has to watch: nothing else keeps it. */
export function watchNote(hold: Hold, people: readonly Pick<Person, 'username'>[], words: string, url: string): string {
  const lines = [
    `Holdpoint: this job is approved, and ${words} (hold ${hold.id}).`,
    `Who can watch it: ${watchersInWords(people)}.`,
    `Watch it: ${url} or "holdpoint holds watch ${hold.id} --live"`,
    `It expires at ${time(hold.expiresAt)} if it has not started by then; run the job again then.`,
  ];
  return lines.map((line) => cut(printable(line))).join('\n');
}

/** What the developer reads in the job log: why it waits, what changed, who decides, how to check it, what happens next (T32, T33). */
export function holdNote(
  hold: Hold,
  requirement: Requirement,
  members: readonly Member[],
  diff: NearestDiff,
  url: string,
  quorum: QuorumView,
  keeps: readonly string[] = [],
): string {
  if (hold.frozenUntil !== null && hold.reason !== null) return frozenNote(hold, hold.reason, url);
  const lines = [`Holdpoint: this job waits for approval (hold ${hold.id}).`];
  const where = hold.place.environment === null ? '' : `, environment ${hold.place.environment}`;
  const what = `${hold.subject.job} on ${hold.place.ref}${hold.place.refProtected ? ' (protected)' : ''}${where}`;
  if (diff.approval === null) {
    lines.push(`Why: nobody has approved a configuration of this job yet: ${what}.`);
  } else if (diff.approval.digest === hold.digest && diff.over !== null) {
    lines.push(
      `Why: exactly this configuration of ${what} was approved on ${day(diff.approval.createdAt)}, but that approval ${overInUtc(diff.over)} (approval ${diff.approval.id}).`,
    );
  } else if (diff.approval.digest === hold.digest) {
    lines.push(
      `Why: this configuration is approved elsewhere (approval ${diff.approval.id}), not for ${what}, or not with these artifacts.`,
    );
  } else {
    const by = diff.approval.votes.map((vote) => vote.person.username).join(', ');
    lines.push(`Why: nobody has approved this configuration of ${what}.`);
    lines.push(`Changed since the one approved on ${day(diff.approval.createdAt)} by ${by}: ${diff.summary}`);
    for (const change of diff.changes.slice(0, MAX_CHANGES)) lines.push(...changeLines(hideTagsOfChange(change)));
    if (diff.changes.length > MAX_CHANGES)
      lines.push(`  - and ${diff.changes.length - MAX_CHANGES} more, all on the page`);
  }
  lines.push(`Who may approve: ${whoMayApprove(requirement, members)}.`);
  // A developer who reads it in the first minute loses no day on a question that nobody can answer.
  if (!quorum.possible || quorum.wanted.length > 1) lines.push(quorum.words);
  lines.push(...excludedLines(hold, requirement, members));
  for (const keep of keeps) lines.push(`Besides: ${keep}.`);
  if (hold.inputs === 'any') {
    lines.push('It takes in artifacts of jobs that GitLab did not confirm to be of the same pipeline.');
  }
  lines.push(`Decide: ${url} or "holdpoint holds show ${hold.id}"`);
  const more = diff.hasSections ? ' --policy policy.yaml --files-from CLONE' : '';
  lines.push(`Digest: ${hold.digest}; reproduce it with "holdpoint digest PAYLOAD.json${more}".`);
  lines.push(`Without a decision it expires at ${time(hold.expiresAt)}; run the job again to ask again.`);
  return lines.map((line) => cut(printable(line))).join('\n');
}
