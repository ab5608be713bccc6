import type { Kysely } from 'kysely';
import type { DeploymentFilter } from '../ports/deployment-store.ts';
import type { Page } from '../ports/listing.ts';
import type { Schema } from './schema.ts';

/** The last Deployment of each environment that ended well: one look into an index for each environment, however many there were. */
export function currentQuery(
  db: Kysely<Schema>,
  { project, environment }: Pick<DeploymentFilter, 'project' | 'environment'>,
  { after, limit }: Page,
) {
  let query = db
    .selectFrom('environments')
    .innerJoin('deployments', (join) =>
      join.on(({ eb, ref, selectFrom }) =>
        eb(
          'deployments.id',
          '=',
          selectFrom('deployments as last')
            .select('last.id')
            .where('last.environment_id', '=', ref('environments.id'))
            .where('last.state', '=', 'success')
            .where((of) => of.or([of('last.action', 'is', null), of('last.action', 'in', ['start', 'stop'])]))
            .orderBy('last.finished_at', 'desc')
            .orderBy('last.id', 'desc')
            .limit(1),
        ),
      ),
    )
    .selectAll('deployments')
    .where('environments.id', '>', after)
    .orderBy('environments.id')
    .limit(limit);
  if (typeof project === 'number') query = query.where('environments.project_id', '=', project);
  if (typeof project === 'string') query = query.where('deployments.project_path', '=', project);
  if (environment !== undefined) query = query.where('environments.name', '=', environment);
  return query;
}
