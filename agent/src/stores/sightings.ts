import type { Insertable, Kysely, Selectable } from 'kysely';
import type { Facts } from '../domain/facts.ts';
import { type Inputs, inputsWithin } from '../domain/scope.ts';
import { type Sighting, seenAgain } from '../domain/sighting.ts';
import { refClass } from '../domain/subject.ts';
import type { StoreReader, StoreWriter } from '../ports/store.ts';
import type { Schema, SightingTable } from './schema.ts';
import { among } from './statements.ts';

const NO_ENVIRONMENT = '';

function sightingOf(row: Selectable<SightingTable>): Sighting {
  return {
    subject: { instance: row.instance, projectId: row.project_id, job: row.job },
    projectPath: row.project_path,
    digest: row.digest,
    place: {
      ref: row.ref,
      refProtected: row.ref_protected === 1,
      environment: row.environment === NO_ENVIRONMENT ? null : row.environment,
    },
    inputs: row.inputs as Inputs,
    runs: row.runs,
    triggers: JSON.parse(row.triggers) as Sighting['triggers'],
    facts: JSON.parse(row.facts) as Facts,
    firstAt: row.first_at,
    lastAt: row.last_at,
  };
}

function columns(sighting: Sighting): Insertable<SightingTable> {
  const { subject, place } = sighting;
  return {
    instance: subject.instance,
    project_id: subject.projectId,
    project_path: sighting.projectPath,
    job: subject.job,
    digest: sighting.digest,
    ref_class: refClass(place),
    ref: place.ref,
    ref_protected: place.refProtected ? 1 : 0,
    environment: place.environment ?? NO_ENVIRONMENT,
    inputs: sighting.inputs,
    runs: sighting.runs,
    triggers: JSON.stringify(sighting.triggers),
    facts: JSON.stringify(sighting.facts),
    first_at: sighting.firstAt,
    last_at: sighting.lastAt,
  };
}

const widest = (a: Inputs, b: Inputs): Inputs => (inputsWithin(a, b) ? b : a);

/** Reads of what ran on runners that only watch. */
export function sightingReads(db: Kysely<Schema>): Pick<StoreReader, 'sightings'> {
  return {
    async sightings({ since, projects }, limit) {
      if (projects !== null && projects.length === 0) return [];
      let query = db.selectFrom('sightings').selectAll().where('last_at', '>=', since);
      if (projects !== null) query = query.where('project_id', 'in', among(projects));
      const rows = await query.orderBy('last_at', 'desc').orderBy('digest').limit(limit).execute();
      return rows.map(sightingOf);
    },
  };
}

/** Writes of what ran on runners that only watch. */
export function sightingWrites(db: Kysely<Schema>): Pick<StoreWriter, 'putSighting' | 'dropSightings'> {
  return {
    async putSighting(sighting) {
      const row = columns(sighting);
      const known = await db
        .selectFrom('sightings')
        .selectAll()
        .where('instance', '=', row.instance)
        .where('project_id', '=', row.project_id)
        .where('job', '=', row.job)
        .where('digest', '=', row.digest)
        .where('ref_class', '=', row.ref_class)
        .where('ref_protected', '=', row.ref_protected)
        .where('environment', '=', row.environment)
        .executeTakeFirst();
      if (known === undefined) {
        await db.insertInto('sightings').values(row).execute();
        return;
      }
      await db
        .updateTable('sightings')
        .set(columns(seenAgain(sightingOf(known), sighting, widest)))
        .where('instance', '=', row.instance)
        .where('project_id', '=', row.project_id)
        .where('job', '=', row.job)
        .where('digest', '=', row.digest)
        .where('ref_class', '=', row.ref_class)
        .where('ref_protected', '=', row.ref_protected)
        .where('environment', '=', row.environment)
        .execute();
    },
    async dropSightings(before) {
      await db.deleteFrom('sightings').where('last_at', '<', before).execute();
    },
  };
}
