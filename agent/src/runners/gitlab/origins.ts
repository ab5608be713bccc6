import type { Facts } from '../../domain/facts.ts';

/** A GET below `/api/v4`; the parsed answer, null where there was none. */
export type Ask = (path: string) => Promise<unknown>;

/** GitLab's own limit is 50 needs; a pipeline of more pages than this is not looked through to its end. */
const MAX_PAGES = 10;
const PAGE_JOBS = 100;
const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

type Fields = Record<string, unknown>;
const fields = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;

/** Id of the pipeline in which GitLab has the job, as it answers to the job's own token; null when it does not say. */
export function pipelineIn(job: unknown): number | null {
  const id = fields(fields(job)?.pipeline)?.id;
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : null;
}

/**
 * Ids of the jobs of a pipeline, as far as the dependencies need them; null when GitLab does not say. Newer servers let a
 * job's token ask that of its own project; with older ones nothing is known to be of the same pipeline (T48).
 */
export async function jobsOfPipeline(facts: Facts, pipeline: number, ask: Ask): Promise<ReadonlySet<number> | null> {
  const wanted = facts.dependencies.map((one) => one.jobId);
  const found = new Set<number>();
  for (let page = 1; page <= MAX_PAGES; page++) {
    const query = `include_retried=true&per_page=${PAGE_JOBS}&page=${page}`;
    const list = await ask(`/api/v4/projects/${facts.project.id}/pipelines/${pipeline}/jobs?${query}`);
    if (!Array.isArray(list)) return page === 1 ? null : found;
    for (const each of list) {
      const id = fields(each)?.id;
      if (typeof id === 'number' && pipelineIn(each) === pipeline) found.add(id);
    }
    if (wanted.every((id) => id !== null && found.has(id))) break;
    // A whole list without the very job that asks says nothing about the others either.
    if (list.length < PAGE_JOBS) return found.has(facts.job.id) ? found : null;
  }
  return found;
}

/** The commits that a pipeline's run adds to what was there before it; null when GitLab does not say (T18). */
export async function commitsOfPipeline(facts: Facts, pipeline: number, ask: Ask): Promise<readonly unknown[] | null> {
  const about = fields(await ask(`/api/v4/projects/${facts.project.id}/pipelines/${pipeline}`));
  const [before, sha] = [about?.before_sha, facts.commit.sha];
  // A new branch has zeros before it: all of history is not who wrote this run.
  const isSha = typeof before === 'string' && SHA.test(before) && !/^0+$/.test(before) && SHA.test(sha);
  if (!isSha || before === sha) return null;
  const compared = fields(
    await ask(`/api/v4/projects/${facts.project.id}/repository/compare?from=${before}&to=${sha}`),
  );
  return Array.isArray(compared?.commits) ? compared.commits : null;
}
