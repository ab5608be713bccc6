import { z } from 'zod';
import type { CiApi } from '../../ports/ci-api.ts';
import { headerIn } from './headers.ts';
import type { Answer } from './upstream.ts';

/** Pages of a hundred notes; a merge request with more is a chat, and its oldest notes are looked through. */
const MAX_PAGES = 20;

const id = z.number().int().positive();
const mergeRequest = z.object({ iid: id, state: z.string(), target_project_id: id.nullish() });
const note = z.object({ id, body: z.string(), system: z.boolean().nullish(), author: z.object({ id }) });

interface Asking {
  readonly ask: (
    what: string,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    credential: string,
    body?: object,
  ) => Promise<Answer>;
  readonly read: <T extends z.ZodType>(what: string, schema: T, answer: Answer) => z.output<T>;
  readonly refusal: (what: string, answer: Answer) => { readonly ok: false; readonly status: number };
}

/** The part of GitLab's interface that notes of merge requests are written with. */
export function notesApi({ ask, read, refusal }: Asking): Pick<CiApi, 'mergeRequestsOf' | 'notesOf' | 'putNote'> {
  return {
    async mergeRequestsOf(credential, projectId, sha) {
      const what = 'for the merge requests of a commit';
      const path = `/projects/${projectId}/repository/commits/${sha}/merge_requests?per_page=100`;
      const answer = await ask(what, 'GET', path, credential);
      if (answer.status !== 200) return refusal(what, answer);
      const found = read(what, z.array(mergeRequest).max(1_000), answer);
      const open = found.filter(
        (one) => one.state === 'opened' && (one.target_project_id == null || one.target_project_id === projectId),
      );
      return { ok: true, value: open.map(({ iid }) => iid).sort((a, b) => a - b) };
    },
    async notesOf(credential, projectId, iid) {
      const what = 'for the notes of a merge request';
      const notes: { id: number; author: number; body: string }[] = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const path = `/projects/${projectId}/merge_requests/${iid}/notes?sort=asc&order_by=created_at&per_page=100&page=${page}`;
        const answer = await ask(what, 'GET', path, credential);
        if (answer.status !== 200) return refusal(what, answer);
        for (const one of read(what, z.array(note).max(1_000), answer))
          if (one.system !== true) notes.push({ id: one.id, author: one.author.id, body: one.body });
        if ((headerIn(answer.headers, 'x-next-page') ?? '') === '') break;
      }
      return { ok: true, value: notes };
    },
    async putNote(credential, { projectId, iid, note: known, body }) {
      const what = 'to write a note';
      const path = `/projects/${projectId}/merge_requests/${iid}/notes`;
      const answer =
        known === null
          ? await ask(what, 'POST', path, credential, { body })
          : await ask(what, 'PUT', `${path}/${known}`, credential, { body });
      return answer.status === 200 || answer.status === 201 ? { ok: true, value: null } : refusal(what, answer);
    },
  };
}
