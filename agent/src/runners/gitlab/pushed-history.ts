import { z } from 'zod';
import type { CommitPerson } from '../../domain/facts.ts';
import type { PushedHistory } from '../../domain/pushed.ts';
import type { CiHistoryQuestion } from '../../ports/ci-api.ts';
import { headerIn } from './headers.ts';
import type { Answer } from './upstream.ts';

/** More commits at once are looked at by people. */
const MAX_COMMITS = 100;
/** Pages of a hundred pushes: a project whose day has more asks people. */
const MAX_EVENT_PAGES = 5;

const word = z.string().max(100_000);
const compareSchema = z.object({
  commits: z.array(
    z.object({
      id: z.string(),
      parent_ids: z.array(z.string()).nullish(),
      author_name: word.nullish(),
      author_email: word.nullish(),
      committer_name: word.nullish(),
      committer_email: word.nullish(),
    }),
  ),
  compare_timeout: z.boolean().nullish(),
});
const eventsSchema = z.array(
  z.object({
    author_id: z.number().int().positive(),
    push_data: z
      .object({
        ref_type: z.string().nullish(),
        ref: z.string().nullish(),
        commit_from: z.string().nullish(),
        commit_to: z.string().nullish(),
      })
      .nullish(),
  }),
);
const jobsSchema = z.array(z.object({ id: z.number().int().positive(), name: z.string() }));

/** How GitLab is asked: rejects where it cannot be, answers whatever it says. */
export interface HistoryCalls {
  get(what: string, path: string): Promise<Answer>;
  read<T extends z.ZodType>(what: string, schema: T, answer: Answer): z.output<T>;
}

const makers = (commit: z.output<typeof compareSchema>['commits'][number]): readonly CommitPerson[] => [
  ...(commit.author_name == null
    ? []
    : [{ role: 'author' as const, id: null, name: commit.author_name, email: commit.author_email ?? null }]),
  ...(commit.committer_name == null
    ? []
    : [{ role: 'committer' as const, id: null, name: commit.committer_name, email: commit.committer_email ?? null }]),
];

const DAY_MS = 86_400_000;
const REFS: Readonly<Record<string, string>> = { branch: 'refs/heads/', tag: 'refs/tags/' };

/** The commits, pushes and jobs of one way; the status of a refusal where GitLab does not let this credential see them. */
export async function readHistory(
  { get, read }: HistoryCalls,
  { projectId, pipelineId, job, from, to, since }: CiHistoryQuestion,
): Promise<PushedHistory | { readonly refused: number }> {
  const project = `/projects/${projectId}`;
  const compared = await get('about commits', `${project}/repository/compare?from=${from}&to=${to}&straight=true`);
  if (compared.status !== 200) return { refused: compared.status };
  const { commits, compare_timeout } = read('about commits', compareSchema, compared);
  let complete = compare_timeout !== true && commits.length <= MAX_COMMITS;

  // `after` is a day and leaves that day out.
  const after = new Date(since - 2 * DAY_MS).toISOString().slice(0, 10);
  const pushes: PushedHistory['pushes'][number][] = [];
  for (let page = 1; ; page++) {
    const path = `${project}/events?action=pushed&after=${after}&sort=desc&per_page=100&page=${page}`;
    const answer = await get('about pushes', path);
    if (answer.status !== 200) return { refused: answer.status };
    for (const { author_id: user, push_data: data } of read('about pushes', eventsSchema, answer)) {
      const prefix = REFS[data?.ref_type ?? ''];
      if (prefix === undefined || data?.ref == null) continue;
      pushes.push({ user, ref: `${prefix}${data.ref}`, from: data.commit_from ?? null, to: data.commit_to ?? null });
    }
    if ((headerIn(answer.headers, 'x-next-page') ?? '') === '') break;
    if (page >= MAX_EVENT_PAGES) {
      complete = false;
      break;
    }
  }

  const jobs: number[] = [];
  for (let page = 1; ; page++) {
    const path = `${project}/pipelines/${pipelineId}/jobs?include_retried=true&per_page=100&page=${page}`;
    const answer = await get('about the jobs of a pipeline', path);
    if (answer.status !== 200) return { refused: answer.status };
    for (const each of read('about the jobs of a pipeline', jobsSchema, answer))
      if (each.name === job) jobs.push(each.id);
    if ((headerIn(answer.headers, 'x-next-page') ?? '') === '') break;
    if (page >= MAX_EVENT_PAGES) {
      complete = false;
      break;
    }
  }
  const shown = commits.map((commit) => ({ sha: commit.id, parents: commit.parent_ids ?? [], people: makers(commit) }));
  return { commits: shown.slice(0, MAX_COMMITS), pushes, jobs, complete };
}
