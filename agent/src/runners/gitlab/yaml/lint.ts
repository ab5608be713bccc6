import { z } from 'zod';
import { HoldpointError } from '../../../domain/errors.ts';
import { createUpstream } from '../upstream.ts';
import type { LintedJob } from './ci-yaml.ts';

/** GitLab fetches every include before it answers. */
const LINT_MS = 60_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

const strings = z.array(z.string()).nullish();
const answerSchema = z.object({
  valid: z.boolean(),
  errors: z.array(z.string()).nullish(),
  merged_yaml: z.string().nullish(),
  jobs: z
    .array(
      z.object({
        name: z.string(),
        stage: z.string().nullish(),
        before_script: strings,
        script: strings,
        after_script: strings,
        tag_list: strings,
      }),
    )
    .nullish(),
});

/** What GitLab makes of a `.gitlab-ci.yml`. */
export interface Linted {
  readonly mergedYaml: string;
  readonly jobs: readonly LintedJob[];
}
/** What is asked of GitLab. */
export interface LintQuestion {
  readonly url: string;
  /** The authorities that are trusted, PEM; without it the usual ones. */
  readonly ca?: string | undefined;
  readonly token: string;
  readonly project: string;
  readonly content: string;
  /** Name of the branch or tag; with `dryRun` only the jobs of a push to it are listed. */
  readonly ref: string | null;
  readonly dryRun: boolean;
}

/**
 * Asks GitLab what a `.gitlab-ci.yml` is once everything is included and extended (POST /projects/:id/ci/lint). Rejects with
 * `bad_input` when GitLab finds the file invalid, `forbidden` or `not_found` when the token will not do, else `ci_unreachable`.
 */
export async function lint({ url, ca, token, project, content, ref, dryRun }: LintQuestion): Promise<Linted> {
  const upstream = createUpstream({ url, ca });
  const away = (why: string) => new HoldpointError('ci_unreachable', `GitLab at ${url} did not check the file: ${why}`);
  try {
    const answer = await upstream
      .call({
        method: 'POST',
        path: `/api/v4/projects/${encodeURIComponent(project)}/ci/lint`,
        headers: ['PRIVATE-TOKEN', token, 'Content-Type', 'application/json', 'User-Agent', 'holdpoint'],
        body: JSON.stringify({ content, include_jobs: true, dry_run: dryRun, ...(ref !== null && dryRun && { ref }) }),
        timeoutMs: LINT_MS,
        totalMs: LINT_MS,
        maxBytes: MAX_ANSWER_BYTES,
      })
      .catch((error: unknown) => {
        // The code alone: a message of the HTTP client may quote what was sent.
        throw away(error instanceof Error && 'code' in error ? String(error.code) : 'no answer');
      });
    if (answer.status === 401 || answer.status === 403) {
      throw new HoldpointError(
        'forbidden',
        `GitLab refused the token (${answer.status}): wanted one of a person or bot with scope api and the role Developer in ${project}; a CI_JOB_TOKEN does not do`,
      );
    }
    if (answer.status === 404) {
      throw new HoldpointError(
        'not_found',
        `GitLab knows no project ${project}, or the token may not see it: name it with --project by id or full path`,
      );
    }
    if (answer.status !== 200 || !answer.whole) throw away(`it answered ${answer.status}`);
    const read = answerSchema.safeParse(parsed(answer.body));
    if (!read.success) throw away('its answer was not understood');
    const { valid, errors, merged_yaml, jobs } = read.data;
    if (!valid || merged_yaml == null) {
      const first = (errors ?? []).slice(0, 5).join('; ');
      throw new HoldpointError('bad_input', `GitLab does not take the file: ${first || 'it gave no reason'}`);
    }
    return {
      mergedYaml: merged_yaml,
      jobs: (jobs ?? []).map((job) => ({
        name: job.name,
        stage: job.stage ?? null,
        beforeScript: job.before_script ?? [],
        script: job.script ?? [],
        afterScript: job.after_script ?? [],
        tags: job.tag_list ?? [],
      })),
    };
  } finally {
    await upstream.close();
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return null;
  }
}
