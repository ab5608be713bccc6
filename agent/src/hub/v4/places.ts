import { setProjectOptions } from '../../app/deployments/edit-environment.ts';
import type { Named } from '../../ports/directory.ts';
import { projectBody } from '../../wire/v4/bodies.ts';
import { gitlabOrigin, type V4Context } from './context.ts';
import { asGitlab, V4Error } from './errors.ts';
import { groupOf, projectOf, type SeenProject } from './lookup.ts';
import { pendingAnswer } from './pending.ts';
import type { V4Route } from './route.ts';

/** Everything above the last part of a path; empty for a path of one part. */
const above = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const lastOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const spaced = (path: string): string => path.split('/').join(' / ');

/** Projects and groups, as far as this API knows them. */
export function placeRoutes(context: V4Context): readonly V4Route[] {
  const { hub } = context;
  const groupView = (group: Named, parent: number | null) => ({
    id: group.id,
    web_url: `${gitlabOrigin(context)}/groups/${group.path}`,
    name: group.name,
    path: lastOf(group.path),
    description: '',
    visibility: 'private',
    avatar_url: null,
    full_name: spaced(group.path),
    full_path: group.path,
    parent_id: parent,
  });
  const namespaceOf = async (path: string) => {
    const full = above(path);
    const group = full === '' ? null : await hub.directory.group(full);
    if (group === null) return null;
    const parent = await hub.directory.group(above(full));
    return {
      id: group.id,
      name: group.name,
      path: lastOf(group.path),
      kind: 'group',
      full_path: group.path,
      parent_id: parent?.id ?? null,
      avatar_url: null,
      web_url: `${gitlabOrigin(context)}/groups/${group.path}`,
    };
  };
  const projectView = async (project: SeenProject) => ({
    id: project.id,
    description: null,
    name: project.name,
    name_with_namespace: spaced(project.path),
    path: lastOf(project.path),
    path_with_namespace: project.path,
    web_url: `${gitlabOrigin(context)}/${project.path}`,
    avatar_url: null,
    namespace: await namespaceOf(project.path),
    visibility: 'private',
    archived: false,
    permissions: {
      project_access: project.accessLevel === 0 ? null : { access_level: project.accessLevel, notification_level: 3 },
      group_access: null,
    },
    allow_pipeline_trigger_approve_deployment: (await hub.store.projectOptions(project.id)).allowPipelineTriggerApprove,
  });
  return [
    {
      method: 'GET',
      url: '/projects/:id',
      summary: 'A project; what the hub does not know of it is not there.',
      scopes: ['read'],
      handle: async (request) => ({ body: await projectView(await projectOf(context, request)) }),
    },
    {
      method: 'PUT',
      url: '/projects/:id',
      summary: '`allow_pipeline_trigger_approve_deployment`; everything else of a project is changed in GitLab.',
      scopes: ['deploy', 'admin'],
      handle: async (request) => {
        const project = await projectOf(context, request);
        const body = request.read(projectBody);
        const allowed = body.allow_pipeline_trigger_approve_deployment;
        if (allowed === undefined)
          throw new V4Error('parameters', {
            problems: 'allow_pipeline_trigger_approve_deployment are missing, at least one parameter must be provided',
          });
        const options = { allowPipelineTriggerApprove: allowed };
        const { pending } = await asGitlab({ forbidden: 'forbidden', not_eligible: 'forbidden' }, () =>
          setProjectOptions(hub, request.caller, project.id, options),
        );
        if (pending !== null) return pendingAnswer(pending);
        return { body: await projectView(project) };
      },
    },
    {
      method: 'GET',
      url: '/groups/:id',
      summary: 'A group.',
      scopes: ['read'],
      handle: async (request) => {
        const group = await groupOf(context, request);
        const parent = await hub.directory.group(above(group.path));
        return { body: groupView(group, parent?.id ?? null) };
      },
    },
  ];
}
