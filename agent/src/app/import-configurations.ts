import { isInForce } from '../domain/approval.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { digestOfText } from '../domain/digest.ts';
import { HoldpointError } from '../domain/errors.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import { satisfies } from '../domain/rule.ts';
import { placeCovered } from '../domain/scope.ts';
import { MAX_DEPTH, MAX_NODES } from '../domain/strict-json.ts';
import type { Place } from '../domain/subject.ts';
import { openAsk } from './asks.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { sightOf } from './see.ts';
import { settle } from './settle.ts';

/** One configuration from elsewhere, in canonical form, with where it is to run. */
export interface Imported {
  readonly note: string;
  readonly projectId: number;
  readonly job: string;
  readonly place: Place;
  readonly digest: string;
  readonly configuration: JsonObject;
}
/** What became of it; an error touches none of the others. */
export interface ImportOutcome {
  readonly note: string;
  readonly digest: string;
  readonly outcome: 'asked' | 'approved' | null;
  readonly review: number | null;
  readonly approval: number | null;
  readonly error: HoldpointError | null;
}

const FORM = 'holdpoint.configuration/v1';
/** As much as a payload of 4 MiB can become. */
const MAX_FORM_BYTES = 6 * 1024 * 1024;

/**
 * Puts the question whether configurations from elsewhere may run; it approves none of them. Whoever imports counts as who
 * triggered it, and nobody can say who wrote it: they are excluded, and every rule asks for one more person (T17, T18, T36).
 */
export async function importConfigurations(
  context: HubContext,
  caller: Caller,
  items: readonly Imported[],
  instance: string | null,
): Promise<readonly ImportOutcome[]> {
  const { projects } = await sightOf(context, caller, [...new Set(items.map(({ projectId }) => projectId))]);
  const outcomes: ImportOutcome[] = [];
  for (const item of items) {
    const { note, digest } = item;
    try {
      outcomes.push(await one(context, caller, item, projects, instance));
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      outcomes.push({ note, digest, outcome: null, review: null, approval: null, error });
    }
  }
  return outcomes;
}

async function one(
  context: HubContext,
  caller: Caller,
  { note, projectId, job, place, digest, configuration }: Imported,
  visible: readonly number[],
  said: string | null,
): Promise<ImportOutcome> {
  if (!visible.includes(projectId) || !(await mayAsk(context, caller, projectId, { job, place }))) {
    throw new HoldpointError(
      'not_found',
      `${note}: there is no project ${projectId} that you may ask about: is it the project's number, and are you developer there?`,
    );
  }
  requireReadable(note, configuration);
  const canonical = canonicalJson(configuration);
  if (new TextEncoder().encode(canonical).length > MAX_FORM_BYTES)
    throw new HoldpointError('too_large', `${note}: its form is larger than ${MAX_FORM_BYTES} bytes`);
  if (!isJsonObject(configuration) || configuration.form !== FORM)
    throw new HoldpointError('bad_input', `${note}: is no form ${FORM}: read it with the same version of holdpoint`);
  // The digest that people will be shown is of what is stored here, whatever the sender says (T3, T36).
  const found = digestOfText(canonical);
  if (found !== digest)
    throw new HoldpointError('digest_mismatch', `${note}: its form has digest ${found}, not ${digest}: read it again`);
  const subject = { instance: said ?? (await instanceOf(context, projectId)), projectId, job };
  const now = context.clock.now();
  const approved = (await context.store.approvalsOf(subject, digest, 1_000)).find(
    (approval) =>
      isInForce(approval, now) && approval.hold === null && placeCovered(approval.scope, approval.place, place),
  );
  if (approved !== undefined)
    return { note, digest, outcome: 'approved', review: null, approval: approved.id, error: null };
  const policy = await context.policy();
  const projectPath = (await context.directory.project(projectId))?.path ?? null;
  const { id, username, name } = caller.person;
  const review = await retrying(() =>
    settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      await s.tx.putConfiguration(digest, canonical);
      const before = (await s.tx.openReviews(subject, digest)).length;
      const asked = await openAsk(s, caller, {
        kind: 'import',
        approval: null,
        note,
        subject,
        projectPath,
        digest,
        place,
        opener: { trigger: { id, username, name, verified: 'gitlab' }, people: null },
      });
      if ((await s.tx.openReviews(subject, digest)).length > before)
        await s.audit('approval_imported', { review: asked.id, digest }, { note, project_id: projectId, job });
      return asked;
    }),
  );
  return { note, digest, outcome: 'asked', review: review.id, approval: null, error: null };
}

/** The GitLab that the project's jobs come from, or any job's: a hub has one in nearly every house. */
async function instanceOf({ store }: HubContext, projectId: number): Promise<string> {
  const page = { after: 0, limit: 1 };
  const [own] = await store.holds({ project: projectId, sight: null }, page);
  const [any] = own === undefined ? await store.holds({ sight: null }, page) : [own];
  if (any !== undefined) return any.subject.instance;
  throw new HoldpointError(
    'bad_input',
    'this hub has seen no job yet: say which GitLab it is about, with --instance URL',
  );
}

/** Whoever may push there could have had the job asked about as well, and who may vote on it may ask: nobody fills the inbox of strangers (T30). */
async function mayAsk(
  context: HubContext,
  caller: Caller,
  projectId: number,
  { job, place }: Pick<Imported, 'job' | 'place'>,
): Promise<boolean> {
  const projectPath = (await context.directory.project(projectId))?.path ?? null;
  const subject = { instance: '', projectId, job };
  const { rules } = policyFor(await context.policy(), { subject, projectPath, place });
  const members = await membersFor(context.directory, projectId, [{ rules }], [caller.person.id]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  return (
    member !== undefined &&
    (member.accessLevel >= ACCESS_LEVELS.developer || rules.some((rule) => satisfies(rule, member)))
  );
}

/** As deep and as large as a payload may be: what is hashed and shown is walked through many times (T45). */
function requireReadable(note: string, configuration: JsonObject): void {
  let nodes = 0;
  let level: readonly Json[] = [configuration];
  for (let depth = 1; level.length > 0; depth++) {
    nodes += level.length;
    if (depth > MAX_DEPTH || nodes > MAX_NODES) {
      throw new HoldpointError(
        'too_large',
        `${note}: its form is nested deeper than ${MAX_DEPTH} levels or has more than ${MAX_NODES} values`,
      );
    }
    level = level.flatMap((value) =>
      isJsonList(value) ? [...value] : isJsonObject(value) ? Object.values(value) : [],
    );
  }
}
