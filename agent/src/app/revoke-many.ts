import { type Approval, isInForce } from '../domain/approval.ts';
import { HoldpointError } from '../domain/errors.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { DAY_MS } from '../domain/lifetime.ts';
import { globMatches } from '../domain/scope.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { revocable, revoke } from './revoke.ts';
import { sightOf } from './see.ts';

/** Which Approvals are meant; all that is there must fit. */
export interface RevokeFilter {
  /** Id, full path, or a path that ends in `/*`: a group with everything below it. */
  readonly project?: number | string | undefined;
  readonly job?: string | undefined;
  /** Anchored pattern over names of images and services. */
  readonly image?: string | undefined;
  /** User name or id of somebody whose vote it rests on. */
  readonly voter?: number | string | undefined;
  readonly unusedDays?: number | undefined;
  /** A vote that it rests on is of somebody who is blocked or no longer known. */
  readonly voterLeft?: boolean | undefined;
}
/** What became of one of them. */
export interface RevokedOne {
  readonly approval: Approval;
  readonly revoked: boolean;
  readonly error: HoldpointError | null;
}

/** So many are revoked at once: each is a decision of its own, with the Holds that fall back. */
const MAX_AT_ONCE = 1_000;
const READ_AT_ONCE = 500;

/** Revokes what fits, each by its own rights, or (`dryRun`) tells what would be. Rejects with `bad_input` for a filter that says nothing. */
export async function revokeMany(
  context: HubContext,
  caller: Caller,
  filter: RevokeFilter,
  { comment, dryRun }: { readonly comment: string | null; readonly dryRun: boolean },
): Promise<{ readonly items: readonly RevokedOne[]; readonly more: boolean }> {
  if (Object.values(filter).every((value) => value === undefined)) {
    throw new HoldpointError(
      'bad_input',
      'say which approvals are meant: a project, a job, an image, a voter or how long unused',
    );
  }
  const found = await fitting(context, caller, filter);
  const items: RevokedOne[] = [];
  for (const approval of found.slice(0, MAX_AT_ONCE)) {
    try {
      const after = dryRun
        ? await revocable(context, caller, approval.id)
        : await revoke(context, caller, approval.id, comment, wordsOf(filter));
      items.push({ approval: after, revoked: !dryRun, error: null });
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      items.push({ approval, revoked: false, error });
    }
  }
  return { items, more: found.length > MAX_AT_ONCE };
}

/** The filter as the audit keeps it beside each Approval that it revoked. */
function wordsOf(filter: RevokeFilter): JsonObject {
  const { project, job, image, voter, unusedDays, voterLeft } = filter;
  const said = { project, job, image, voter, unused_days: unusedDays, voter_left: voterLeft };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as JsonObject;
}

async function fitting(context: HubContext, caller: Caller, filter: RevokeFilter): Promise<readonly Approval[]> {
  const sight = await sightOf(context, caller);
  const gone = new Map<number, boolean>();
  const found: Approval[] = [];
  const now = context.clock.now();
  for (let after = 0; found.length <= MAX_AT_ONCE; ) {
    const page = await context.store.approvals({ revoked: false, sight }, { after, limit: READ_AT_ONCE });
    if (page.length === 0) break;
    after = page.at(-1)!.id;
    for (const approval of page) {
      if (isInForce(approval, now) && (await fits(context, approval, filter, gone))) found.push(approval);
    }
  }
  return found;
}

async function fits(
  context: HubContext,
  approval: Approval,
  { project, job, image, voter, unusedDays, voterLeft }: RevokeFilter,
  gone: Map<number, boolean>,
): Promise<boolean> {
  const { subject, projectPath, votes, auto } = approval;
  // Whom the policy let through without a vote is who it rests on (T19).
  const people = [...votes.map(({ person }) => person), ...(auto === undefined ? [] : [auto])];
  if (project !== undefined && !isProject(project, subject.projectId, projectPath)) return false;
  if (job !== undefined && !globMatches(job, subject.job)) return false;
  if (voter !== undefined && !people.some(({ id, username }) => id === voter || username === voter)) return false;
  const since = approval.lastUsedAt ?? approval.createdAt;
  if (unusedDays !== undefined && context.clock.now() - since < unusedDays * DAY_MS) return false;
  if (
    voterLeft === true &&
    !(await someLeft(
      context,
      people.map(({ id }) => id),
      gone,
    ))
  )
    return false;
  if (image === undefined) return true;
  const configuration = await readConfiguration(context.store, approval.digest);
  return configuration !== null && imagesOf(configuration).some((name) => globMatches(image, name));
}

/** A project by id or path, or a group with everything below it; letter case does not count, as in GitLab. */
function isProject(wanted: number | string, id: number, path: string | null): boolean {
  if (typeof wanted === 'number') return wanted === id;
  const [a, b] = [wanted.toLowerCase(), path?.toLowerCase() ?? ''];
  return a.endsWith('/*') ? b.startsWith(a.slice(0, -1)) : a === b;
}

async function someLeft(context: HubContext, people: readonly number[], gone: Map<number, boolean>): Promise<boolean> {
  for (const id of people) {
    if (!gone.has(id)) {
      const person = await context.directory.person(id);
      // Who cannot be asked about has not left: an outage must not revoke what everybody approved.
      const problem = person === null ? context.directory.problem() : null;
      if (problem !== null) throw new HoldpointError('ci_unreachable', problem);
      gone.set(id, person === null || person.blocked);
    }
    if (gone.get(id) === true) return true;
  }
  return false;
}

/** Names of the image and the services of a configuration, as texts; parts that are no text stand as `*`-less nothing. */
function imagesOf(configuration: JsonObject): readonly string[] {
  const nameOf = (value: Json | undefined): string => {
    const name = isJsonObject(value) ? value.name : value;
    if (typeof name === 'string') return name;
    return isJsonList(name) ? name.map((part) => (typeof part === 'string' ? part : '')).join('') : '';
  };
  const services = isJsonList(configuration.services) ? configuration.services : [];
  return [configuration.image, ...services].map(nameOf).filter((name) => name !== '');
}
