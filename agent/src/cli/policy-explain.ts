import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import { membersOf } from '../domain/membership.ts';
import { rulesIn } from '../domain/policy.ts';
import { explainPolicy, explanationLines, type PolicyPath } from '../domain/policy-explain.ts';
import type { PolicyTarget } from '../domain/policy-match.ts';
import { withNames } from '../domain/policy-names.ts';
import type { Principals } from '../domain/principal.ts';
import { printable } from '../domain/printable.ts';
import { namedIn } from '../domain/rule.ts';
import type { PayloadReader } from './digest.ts';
import type { PolicyParts } from './parts.ts';
import { type FileIo, FileProblem, readOrProblem, refusalLine } from './payload-files.ts';
import { pathText, principalsFor, readPolicyAt } from './policy-files.ts';

/** Which job is asked about; a payload says all of it. */
export interface JobFlags {
  readonly project?: string;
  readonly job?: string;
  readonly ref?: string;
  readonly environment?: string;
  readonly tier?: string;
  readonly unprotected?: boolean;
  readonly at?: string;
}

/** Values of a payload are never shown by a policy: any key does to read it. */
const THROWAWAY_KEY = new Uint8Array(32);

/** Facts of a payload. Throws a FileProblem for one that has none. */
export async function factsOfPayload(file: string, io: FileIo, readPayload: PayloadReader) {
  const options = { instance: '', runner: '', variableKey: THROWAWAY_KEY, verifyIdToken: () => null };
  const reading = readPayload(await readOrProblem(io, file), options);
  if (!reading.ok) throw new FileProblem(reading.code, refusalLine(file, reading).trimEnd());
  return reading;
}

/** What a policy decides by, of a run. */
export function targetOfFacts({ project, job, ref, environment }: Facts): PolicyTarget {
  return {
    projectId: project.id,
    projectPath: project.path,
    job: job.name,
    ref: ref.full,
    refProtected: ref.protected,
    environment: environment?.name ?? null,
  };
}

/** What flags say of a job; branch and tag names may stand without `refs/…`, which is a branch then. */
export function targetOfFlags(flags: JobFlags, principals: Principals | null): PolicyTarget {
  const { project, job } = flags;
  if (project === undefined || job === undefined)
    throw new HoldpointError(
      'bad_usage',
      'which job? Give a payload, or --project and --job; see "holdpoint policy explain --help"',
    );
  const id = /^[1-9]\d{0,14}$/.test(project) ? Number(project) : null;
  const known = principals?.projects.find((each) => (id === null ? each.path === project : each.id === id));
  const ref = flags.ref ?? 'refs/heads/main';
  return {
    projectId: id ?? known?.id ?? 0,
    projectPath: known?.path ?? (id === null ? project : null),
    job,
    ref: ref.startsWith('refs/') ? ref : `refs/heads/${ref}`,
    refProtected: flags.unprotected !== true,
    environment: flags.environment ?? null,
  };
}

/** When a question is about: now, unless a time is given. */
export function timeOf(text: string | undefined, now: number): number {
  if (text === undefined) return now;
  const at = /^\d{4}-\d\d-\d\dT[0-9:.]+Z$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new HoldpointError('bad_usage', `--at: "${text}" is no time; write it in UTC, as in 2026-12-24T18:00:00Z`);
}

/** `holdpoint policy explain … --policy FILE`: which entries fit a job, what holds for it and where that stands, and who could satisfy it. */
export async function explainCommand(
  payload: string | undefined,
  flags: JobFlags & { readonly policy: string; readonly principals?: string },
  { json, now }: { readonly json: boolean; readonly now: number },
  io: FileIo,
  parts: PolicyParts,
  payloads: () => Promise<{ readonly readPayload: PayloadReader }>,
): Promise<number> {
  const { policy: read, line, has } = await readPolicyAt(io, parts, flags.policy);
  const principals = await principalsFor(io, parts, flags.policy, flags.principals);
  const facts =
    payload === undefined ? null : (await factsOfPayload(payload, io, (await payloads()).readPayload)).facts;
  const target = facts === null ? targetOfFlags(flags, principals) : targetOfFacts(facts);
  const policy = principals === null ? read : withNames(read, principals);
  const members = principals === null ? null : membersOf(principals, target.projectId, namedIn(rulesIn(policy)));
  const tier = flags.tier ?? facts?.environment?.tier ?? null;
  const found = explainPolicy(policy, target, { now: timeOf(flags.at, now), members, tier });
  const where = (path: PolicyPath): string => (has(path) ? `line ${line(path)}` : 'as shipped');
  if (json) {
    const placed = found.settings.map(({ path, ...rest }) => ({
      ...rest,
      path: pathText(path),
      line: has(path) ? line(path) : null,
    }));
    io.out(`${JSON.stringify({ ...found, settings: placed })}\n`);
    return 0;
  }
  for (const text of explanationLines(found, where)) io.out(`${printable(text)}\n`);
  if (principals === null)
    io.out('\nNobody said who there is: name a principals.yaml with --principals to see who could approve.\n');
  return 0;
}
