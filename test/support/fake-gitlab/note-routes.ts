import { type Answer, json, refuse, type World } from './state.ts';
import type { FakeUser } from './types.ts';

interface Writing {
  readonly user: FakeUser | undefined;
  readonly mayWrite: boolean;
}

/** Notes of merge requests, and the merge requests of a commit, below `/api/v4/projects/:id`; null if neither is meant. */
export function noteRoute(
  world: World,
  method: string,
  project: string,
  rest: string,
  who: Writing,
  body: Record<string, unknown>,
): Answer | null {
  const projectId = Number(project);
  const open = world.mergeRequests.filter((one) => one.projectId === projectId);
  const ofCommit = /^repository\/commits\/([0-9a-f]{40})\/merge_requests$/.exec(rest);
  if (ofCommit !== null && method === 'GET')
    return json(
      200,
      open
        .filter(({ sha }) => sha === ofCommit[1])
        .map(({ iid, state }) => ({ iid, state, target_project_id: projectId })),
    );
  const match = /^merge_requests\/(\d+)\/notes(?:\/(\d+))?$/.exec(rest);
  if (match === null) return null;
  const iid = Number(match[1]);
  if (!open.some((one) => one.iid === iid)) return refuse(404, '404 Merge Request Not Found');
  const notes = world.notes.filter((one) => one.projectId === projectId && one.iid === iid);
  const shown = ({ id, body: text, author, system }: (typeof notes)[number]) => ({ id, body: text, author, system });
  if (match[2] === undefined && method === 'GET')
    return json(200, notes.map(shown), { 'X-Next-Page': '', 'X-Total': String(notes.length) });
  if (!who.mayWrite || who.user === undefined) return refuse(403, '403 Forbidden');
  if (match[2] === undefined && method === 'POST') {
    const id = world.notes.length + 1;
    const { user } = who;
    world.notes.push({ id, projectId, iid, author: user, body: String(body.body), system: false, edits: 0 });
    return json(201, shown(world.notes.at(-1)!));
  }
  const note = notes.find((one) => one.id === Number(match[2]));
  if (note === undefined || method !== 'PUT') return refuse(404, '404 Note Not Found');
  // As GitLab: nobody changes what somebody else wrote.
  if (note.author.id !== who.user.id) return refuse(403, '403 Forbidden');
  note.body = String(body.body);
  note.edits += 1;
  return json(200, shown(note));
}
