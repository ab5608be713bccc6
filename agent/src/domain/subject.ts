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
