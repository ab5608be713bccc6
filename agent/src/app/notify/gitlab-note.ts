import type { Hold } from '../../domain/hold.ts';
import { mergeRequestNote, type NotedHold, pipelineOfNote } from '../../domain/notify/merge-request-note.ts';
import type { CiAnswer, CiApi } from '../../ports/ci-api.ts';
import { type Channel, NotSent } from '../../ports/notifier.ts';
import { type HubContext, holdUrl } from '../hub-context.ts';
import { changesOf, helpersOfReview } from './about.ts';

/** A commit stands in few merge requests; more is not written to. */
const MAX_MERGE_REQUESTS = 5;

/** Iid of the merge request that a full ref names; null for a branch or a tag. */
function mergeRequestOfRef(ref: string): number | null {
  const match = /^refs\/merge-requests\/([1-9]\d{0,9})\//.exec(ref);
  return match === null ? null : Number(match[1]);
}

function wanted<T>(answer: CiAnswer<T>, what: string): T {
  if (answer.ok) return answer.value;
  throw new NotSent(`GitLab answers ${answer.status} when asked ${what} with the token of hub.gitlab_token_file`, {
    again: false,
  });
}

/** GitLab as a channel: one note in each merge request of a pipeline, written anew from what holds at this moment. */
export function gitlabNotes(
  context: HubContext,
  name: string,
  ci: { readonly api: CiApi; readonly botToken: () => string | null } | null,
): Channel {
  return {
    name,
    async send({ target, notices, base }) {
      const token = ci?.botToken() ?? null;
      if (ci === null || token === null)
        throw new NotSent('hub.gitlab_token_file gives no token to write notes with', { again: true });
      const [projectId, pipelineId] = target.split('/').map(Number);
      if (projectId === undefined || pipelineId === undefined)
        throw new NotSent('it names no pipeline', { again: false });
      try {
        const about = notices.findLast(({ hold }) => hold !== null)?.hold ?? null;
        const instance = about === null ? null : ((await context.store.hold(about))?.subject.instance ?? null);
        if (instance !== null) await writeNotes(context, ci.api, token, { instance, projectId, pipelineId }, base);
      } catch (error) {
        if (error instanceof NotSent) throw error;
        throw new NotSent('GitLab could not be asked', { again: true });
      }
    },
    close: async () => {},
  };
}

async function writeNotes(
  context: HubContext,
  api: CiApi,
  token: string,
  {
    instance,
    projectId,
    pipelineId,
  }: { readonly instance: string; readonly projectId: number; readonly pipelineId: number },
  base: string,
): Promise<void> {
  const { store } = context;
  const holds = (await store.holdsOfPipeline(instance, projectId, pipelineId)).filter(
    // What was never asked about is no news.
    (hold) => hold.review !== null,
  );
  const [first] = holds;
  if (first === undefined) return;
  const named = mergeRequestOfRef(first.place.ref);
  const facts = await store.facts(first.id, first.attempts.at(-1)!.jobId);
  const iids =
    named !== null
      ? [named]
      : facts === null || !first.place.ref.startsWith('refs/heads/')
        ? []
        : wanted(await api.mergeRequestsOf(token, projectId, facts.commit.sha), 'for merge requests');
  if (iids.length === 0) return;
  const me = wanted(await api.whoIs(token), 'whose token it is');
  const body = mergeRequestNote(pipelineId, await Promise.all(holds.map((hold) => noted(context, hold))), base);
  for (const iid of iids.slice(0, MAX_MERGE_REQUESTS)) {
    const notes = wanted(await api.notesOf(token, projectId, iid), 'for notes');
    // Only one's own: anybody can write a note that begins like this one.
    const own = notes.filter((note) => note.author === me.id && pipelineOfNote(note.body) !== null);
    const newest = own.at(-1);
    // A note on a newer pipeline is not taken back by what becomes of an older one.
    if (newest !== undefined && (pipelineOfNote(newest.body) ?? 0) > pipelineId) continue;
    if (newest?.body === body) continue;
    wanted(await api.putNote(token, { projectId, iid, note: newest?.id ?? null, body }), 'to write a note');
  }
}

async function noted(context: HubContext, hold: Hold): Promise<NotedHold> {
  const url = holdUrl(context, hold.id);
  const review = hold.review === null ? null : await context.store.review(hold.review);
  if (hold.state !== 'waiting_for_approval' || review?.state !== 'open')
    return { hold, url, helpers: [], needs: null, changes: null };
  const { people, needs } = await helpersOfReview(context, review);
  return { hold, url, helpers: people.map(({ username }) => username), needs, changes: await changesOf(context, hold) };
}
