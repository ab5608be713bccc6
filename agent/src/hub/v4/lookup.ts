import { sightOf } from '../../app/see.ts';
import { ACCESS_LEVELS } from '../../domain/principal.ts';
import type { Named } from '../../ports/directory.ts';
import type { Sight } from '../../ports/store.ts';
import type { V4Context } from './context.ts';
import { V4Error } from './errors.ts';
import type { V4Request } from './route.ts';

/** A project as one person sees it. */
export interface SeenProject extends Named {
  /** GitLab's number of their access level; 0 for somebody whom only a rule names, or who triggered a job there. */
  readonly accessLevel: number;
  readonly sight: Sight;
}
/** A group as one person sees it. */
export interface SeenGroup extends Named {
  readonly accessLevel: number;
}

/** `:id` is a number or a full path. */
function wanted(id: string): number | string {
  return /^\d{1,15}$/.test(id) ? Number(id) : id;
}

/** An id in the path. Throws `not_found` for anything that cannot be one. */
export function idIn(request: V4Request, name: string): number {
  const text = request.path(name);
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw new V4Error('parameters', { problems: `${name} is invalid` });
}

/**
 * The project that the path names. Throws `project_not_found` alike for one that is not there and one that the person may
 * not see: members see it, and whoever has to decide about a deployment of it or triggered one.
 */
export async function projectOf({ hub }: V4Context, request: V4Request): Promise<SeenProject> {
  const { caller } = request;
  const found = await hub.directory.project(wanted(request.path('id')));
  if (found === null) throw new V4Error('project_not_found');
  const members = await hub.directory.members(found.id);
  const accessLevel = members.find(({ person }) => person.id === caller.person.id)?.accessLevel ?? 0;
  const sight = await sightOf(hub, caller, [found.id]);
  const isSeen = accessLevel > 0 || (await hub.store.countDeployments({ project: found.id, sight })) > 0;
  if (!isSeen) throw new V4Error('project_not_found');
  return { ...found, accessLevel, sight };
}

/** The group that the path names. Throws `group_not_found` alike for one that is not there and one of strangers. */
export async function groupOf({ hub }: V4Context, request: V4Request): Promise<SeenGroup> {
  const found = await hub.directory.group(wanted(request.path('id')));
  const accessLevel = found === null ? 0 : await hub.directory.accessInGroup(request.caller.person.id, found.id);
  if (found === null || accessLevel === 0) throw new V4Error('group_not_found');
  return { ...found, accessLevel };
}

/** Throws `forbidden` for somebody who sees that the project is there but not what is deployed from it. */
export async function requireDeployments({ hub }: V4Context, project: SeenProject): Promise<void> {
  if (project.accessLevel >= ACCESS_LEVELS.reporter) return;
  const { id, sight } = project;
  if ((await hub.store.countDeployments({ project: id, sight })) === 0) throw new V4Error('forbidden');
}
