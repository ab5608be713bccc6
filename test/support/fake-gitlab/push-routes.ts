import { type Answer, json, refuse, type World } from './state.ts';
import type { FakePush } from './types.ts';

/** What people pushed to projects, as GitLab lists it; null where nothing was pushed there through the fake, or nothing of it is meant. */
export function pushRoute(world: World, method: string, url: URL, token: string): Answer | null {
  const match = /^\/api\/v4\/projects\/(\d+)\/(repository\/compare|events|pipelines\/(\d+)\/jobs)$/.exec(url.pathname);
  if (method !== 'GET' || match === null) return null;
  const [, project, what, pipeline] = match;
  const pushes = world.pushes.filter((push) => String(push.projectId) === project);
  if (pushes.length === 0) return null;
  if (token !== world.apiToken && world.personTokens.get(token)?.may.has('read') !== true) return null;
  if (what === 'events') return events(pushes, url);
  if (what === 'repository/compare') return compare(pushes, url);
  if (url.searchParams.get('include_retried') !== 'true') return null;
  const jobs = [...world.jobs.values()].filter((job) => String(job.pipeline.id) === pipeline);
  return json(200, jobs.map(({ id, name, status }) => ({ id, name, status })).reverse(), { 'X-Next-Page': '' });
}

function events(pushes: readonly FakePush[], url: URL): Answer {
  if (url.searchParams.get('action') !== 'pushed') return refuse(400, '400 Bad request');
  const shown = [...pushes].reverse().map(({ user, ref, from, to, commits }) => ({
    action_name: 'pushed to',
    author_id: user.id,
    author_username: user.username,
    push_data: {
      commit_count: commits.length,
      action: from === null ? 'created' : 'pushed',
      ref_type: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
      ref: ref.split('/').slice(2).join('/'),
      commit_from: from,
      commit_to: to,
    },
  }));
  return json(200, shown, { 'X-Next-Page': '' });
}

/** The commits that lead from one to another, as far as they were pushed here. */
function compare(pushes: readonly FakePush[], url: URL): Answer {
  const [from, to] = [url.searchParams.get('from'), url.searchParams.get('to')];
  const known = new Map(pushes.flatMap(({ commits }) => commits).map((commit) => [commit.sha, commit]));
  const found = new Map<string, FakePush['commits'][number]>();
  const look = [to ?? ''];
  for (let sha = look.pop(); sha !== undefined; sha = look.pop()) {
    const commit = known.get(sha);
    if (sha === from || commit === undefined || found.has(sha)) continue;
    found.set(sha, commit);
    look.push(...commit.parents);
  }
  const commits = [...found.values()].reverse().map(({ sha, parents, author, committer = author }) => ({
    id: sha,
    parent_ids: parents,
    author_name: author.name,
    author_email: author.email,
    committer_name: committer.name,
    committer_email: committer.email,
  }));
  return json(200, { commits, diffs: [], compare_timeout: false, compare_same_ref: false });
}
