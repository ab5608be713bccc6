import type { Facts } from './facts.ts';

/** What an approval is about. */
export interface Subject {
  /** Origin of the CI server. */
  readonly instance: string;
  readonly projectId: number;
  /** Name of the job, as the CI server writes it. */
  readonly job: string;
}

/** Where a job runs; together with Subject and Digest the thing that people are asked about. */
export interface Place {
  /** Full ref: `refs/heads/main`, `refs/tags/v1`, `refs/merge-requests/12/head`. */
  readonly ref: string;
  readonly refProtected: boolean;
  /** Name of the environment, null for a job without one. */
  readonly environment: string | null;
}

/** The Subject of a run. */
export function subjectOf(facts: Facts): Subject {
  return { instance: facts.instance, projectId: facts.project.id, job: facts.job.name };
}

/**
 * Bytes of instance, job, ref and environment together, and of a project's path: a database finds rows by them, and PostgreSQL by no
 * more than 2,704. GitLab has at most 255 characters for each name.
 */
const MAX_NAMES_BYTES = 2_400;
const MAX_PATH_BYTES = 2_400;

/** What is too long of these names for a store to find anything by, in words; null where nothing is. */
export function namesProblem({ instance, job, ref, environment, project }: Facts): string | null {
  const bytes = (...texts: (string | null)[]): number =>
    texts.reduce((sum, text) => sum + new TextEncoder().encode(text ?? '').length, 0);
  const names = bytes(instance, job.name, ref.full, environment?.name ?? null);
  if (names > MAX_NAMES_BYTES)
    return `names of job, ref and environment have ${names} bytes together, ${MAX_NAMES_BYTES} are the most`;
  const path = bytes(project.path);
  return path > MAX_PATH_BYTES ? `the path of the project has ${path} bytes, ${MAX_PATH_BYTES} are the most` : null;
}

/** The Place of a run. */
export function placeOf(facts: Facts): Place {
  return { ref: facts.ref.full, refProtected: facts.ref.protected, environment: facts.environment?.name ?? null };
}

/**
 * Refs that are one for an Approval: a ref is its own class, but all protected tags are one. Who may create a protected
 * tag is a setting of maintainers, and every release has another name; branches are never mixed with tags (T11).
 */
export function refClass(place: Pick<Place, 'ref' | 'refProtected'>): string {
  return place.refProtected && place.ref.startsWith('refs/tags/') ? 'refs/tags/*' : place.ref;
}

/** True when both are the same ref class with the same protected flag, and the same environment (T10, T11). */
export function samePlace(a: Place, b: Place): boolean {
  return refClass(a) === refClass(b) && a.refProtected === b.refProtected && a.environment === b.environment;
}
