import type { KnownEnvironment } from '../../ports/deployment-store.ts';
import { environmentsQuery } from '../../wire/v4/bodies.ts';
import type { V4Context } from './context.ts';
import { V4Error } from './errors.ts';
import { idIn, projectOf, requireDeployments } from './lookup.ts';
import { pageAnswer, partOf, sliceOf } from './pagination.ts';
import type { V4Route } from './route.ts';

/** As in GitLab: less finds nearly everything. */
const MIN_SEARCH_CHARS = 3;
/** More environments than one project has; each is a name and some words. */
const MAX_ENVIRONMENTS = 10_000;

const time = (ms: number): string => new Date(ms).toISOString();

/** Environments are seen when something is deployed to them, so none of them is stopped. */
function view({ id, name, slug, tier, url, createdAt, updatedAt }: KnownEnvironment) {
  return {
    id,
    name,
    slug,
    external_url: url,
    state: 'available',
    tier,
    created_at: time(createdAt),
    updated_at: time(updatedAt),
  };
}

/** Environments of a project that the hub has seen deployments to. */
export function environmentRoutes(context: V4Context): readonly V4Route[] {
  const { hub } = context;
  const allOf = (project: number) => hub.store.environments(project, { after: 0, limit: MAX_ENVIRONMENTS });
  return [
    {
      method: 'GET',
      url: '/projects/:id/environments',
      summary: 'Environments that jobs of the project were to be deployed to; filters `name`, `search`, `states`.',
      scopes: ['read'],
      handle: async (request) => {
        const project = await projectOf(context, request);
        await requireDeployments(context, project);
        const query = request.read(environmentsQuery);
        const { name, search, states } = query;
        if (name !== undefined && search !== undefined)
          throw new V4Error('parameters', { problems: 'name, search cannot be used together' });
        if (search !== undefined && search.length < MIN_SEARCH_CHARS) throw new V4Error('short_search');
        const all = (await allOf(project.id)).filter(
          (one) =>
            (name === undefined || one.name === name) &&
            (search === undefined || one.name.toLowerCase().includes(search.toLowerCase())) &&
            (states === undefined || states === 'available'),
        );
        const part = partOf(query);
        return pageAnswer(request, hub.externalUrl(), part, all.length, sliceOf(all, part).map(view));
      },
    },
    {
      method: 'GET',
      url: '/projects/:id/environments/:environment_id',
      summary: 'One environment.',
      scopes: ['read'],
      handle: async (request) => {
        const project = await projectOf(context, request);
        await requireDeployments(context, project);
        const id = idIn(request, 'environment_id');
        const found = (await allOf(project.id)).find((one) => one.id === id);
        if (found === undefined) throw new V4Error('not_found');
        return { body: view(found) };
      },
    },
  ];
}
