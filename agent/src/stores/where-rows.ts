/** Where something is, in rows: subject, place, digest. */
import type { Selectable } from 'kysely';
import type { Place, Subject } from '../domain/subject.ts';

/** A row as it is read. */
export type Row<T> = Selectable<T>;
/** What a row says of where it is. */
interface Where {
  instance: string;
  project_id: number;
  job: string;
  ref: string;
  ref_protected: number;
  environment: string | null;
}
/** Subject of a row. */
export const subject = (row: Pick<Where, 'instance' | 'project_id' | 'job'>): Subject => ({
  instance: row.instance,
  projectId: row.project_id,
  job: row.job,
});
/** Place of a row. */
export const place = (row: Where): Place => ({
  ref: row.ref,
  refProtected: row.ref_protected === 1,
  environment: row.environment,
});

/** Columns of what is about a Digest at a place. */
export function whereColumns(of: {
  readonly subject: Subject;
  readonly place: Place;
  readonly projectPath: string | null;
  readonly digest: string;
}) {
  return {
    instance: of.subject.instance,
    project_id: of.subject.projectId,
    project_path: of.projectPath,
    job: of.subject.job,
    digest: of.digest,
    ref: of.place.ref,
    ref_protected: of.place.refProtected ? 1 : 0,
    environment: of.place.environment,
  };
}
