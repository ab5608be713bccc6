import { HoldpointError } from '../domain/errors.ts';
import type { Hold } from '../domain/hold.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import type { Sight } from '../ports/store.ts';
import type { Caller, HubContext } from './hub-context.ts';

/** What a person may see: projects with at least reporter access, and Holds that they triggered. */
export async function sightOf(context: Pick<HubContext, 'directory'>, caller: Pick<Caller, 'person'>): Promise<Sight> {
  const projects = await context.directory.projectsOf(caller.person.id, ACCESS_LEVELS.reporter);
  return { projects, trigger: caller.person.id };
}

/** True when the Hold lies within what may be seen; an unverified trigger gives no sight (T17). */
export function mayBeSeen(sight: Sight, hold: Pick<Hold, 'subject' | 'trigger'>): boolean {
  const own = hold.trigger.id === sight.trigger && hold.trigger.verified !== 'unverified';
  return own || sight.projects.includes(hold.subject.projectId);
}

/** The Hold if the caller may see it. Throws `not_found` alike for one that is not there and one that may not be seen. */
export async function visibleHold(context: HubContext, caller: Caller, id: number): Promise<Hold> {
  const hold = await context.store.hold(id);
  if (hold === null || !mayBeSeen(await sightOf(context, caller), hold)) throw notFound('hold', id);
  return hold;
}

/** The `not_found` error. */
export function notFound(what: string, id: number): HoldpointError {
  return new HoldpointError(
    'not_found',
    `there is no ${what} ${id} that you may see: list what there is with "holdpoint ${what}s"`,
  );
}
