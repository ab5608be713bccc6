import type { Insertable, Kysely, Selectable } from 'kysely';
import type { BreakGlass, Finding } from '../domain/break-glass.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { StoreReader, StoreWriter } from '../ports/store.ts';
import type { BreakGlassTable, Schema } from './schema.ts';
import { among } from './statements.ts';

function glassOf(row: Selectable<BreakGlassTable>): BreakGlass {
  const { closed_at: at, closed_by_id: id, finding } = row;
  return {
    id: row.id,
    version: row.version,
    hold: row.hold,
    approval: row.approval,
    subject: { instance: row.instance, projectId: row.project_id, job: row.job },
    projectPath: row.project_path,
    digest: row.digest,
    place: { ref: row.ref, refProtected: row.ref_protected === 1, environment: row.environment },
    person: { id: row.person_id, username: row.person_username, name: row.person_name },
    rule: row.rule,
    reason: row.reason,
    policy: row.policy,
    at: row.at,
    until: row.until,
    reviewBy: row.review_by,
    frozen: row.frozen === 1,
    overdueNoted: row.overdue_noted === 1,
    closed:
      at === null || id === null || finding === null
        ? null
        : {
            at,
            by: { id, username: row.closed_by_username ?? '', name: row.closed_by_name ?? '' },
            finding: finding as Finding,
            comment: row.comment ?? '',
          },
  };
}

function columns(glass: Omit<BreakGlass, 'id'>): Insertable<BreakGlassTable> {
  const { subject, place, person, closed } = glass;
  return {
    version: glass.version,
    hold: glass.hold,
    approval: glass.approval,
    instance: subject.instance,
    project_id: subject.projectId,
    project_path: glass.projectPath,
    job: subject.job,
    digest: glass.digest,
    ref: place.ref,
    ref_protected: place.refProtected ? 1 : 0,
    environment: place.environment,
    person_id: person.id,
    person_username: person.username,
    person_name: person.name,
    rule: glass.rule,
    reason: glass.reason,
    policy: glass.policy,
    at: glass.at,
    until: glass.until,
    review_by: glass.reviewBy,
    frozen: glass.frozen ? 1 : 0,
    overdue_noted: glass.overdueNoted ? 1 : 0,
    closed_at: closed?.at ?? null,
    closed_by_id: closed?.by.id ?? null,
    closed_by_username: closed?.by.username ?? null,
    closed_by_name: closed?.by.name ?? null,
    finding: closed?.finding ?? null,
    comment: closed?.comment ?? null,
  };
}

type Reads = Pick<StoreReader, 'breakGlass' | 'breakGlasses' | 'breakGlassOf'>;
type Writes = Pick<StoreWriter, 'insertBreakGlass' | 'updateBreakGlass'>;

/** Reads of what was run without its approval. */
export function breakGlassReads(db: Kysely<Schema>): Reads {
  return {
    async breakGlass(id) {
      const row = await db.selectFrom('break_glass').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : glassOf(row);
    },
    async breakGlasses(filter, page) {
      let query = db.selectFrom('break_glass').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (filter.projects !== null) query = query.where('project_id', 'in', among(filter.projects));
      if (filter.open === true) query = query.where('closed_at', 'is', null);
      if (filter.dueBefore !== undefined) {
        query = query.where('closed_at', 'is', null).where('review_by', '<=', filter.dueBefore);
      }
      return (await query.execute()).map(glassOf);
    },
    async breakGlassOf(hold) {
      const rows = await db.selectFrom('break_glass').selectAll().where('hold', '=', hold).orderBy('id').execute();
      return rows.map(glassOf);
    },
  };
}

/** Writes of the same, within one transaction. */
export function breakGlassWrites(db: Kysely<Schema>): Writes {
  return {
    async insertBreakGlass(glass) {
      const { id } = await db
        .insertInto('break_glass')
        .values(columns(glass))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...glass, id };
    },
    async updateBreakGlass(glass) {
      const result = await db
        .updateTable('break_glass')
        .set(columns(glass))
        .where('id', '=', glass.id)
        .where('version', '=', glass.version - 1)
        .executeTakeFirstOrThrow();
      if (result.numUpdatedRows !== 1n) {
        throw new HoldpointError(
          'hold_conflict',
          `break-glass ${glass.id} was changed by somebody else in the meantime: look at it and try again`,
        );
      }
    },
  };
}
