import { createHash } from 'node:crypto';
import type { Job, Pipeline, World } from './state.ts';
import type { FakeJob, FakePersonToken, FakeUser } from './types.ts';

const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

/** A user as GitLab's API shows one. */
export function userView(user: FakeUser): object {
  const avatar = createHash('md5').update(user.username).digest('hex');
  return {
    id: user.id,
    username: user.username,
    name: user.name,
    state: 'active',
    locked: false,
    avatar_url: `https://www.gravatar.com/avatar/${avatar}?s=80&d=identicon`,
    web_url: `https://gitlab.example.com/${user.username}`,
    bot: user.bot ?? false,
  };
}

/** A personal, project or group access token as it sees itself. */
export function personTokenView(token: FakePersonToken): object {
  return {
    id: token.id,
    name: token.name,
    revoked: false,
    created_at: time(token.createdAt),
    description: null,
    scopes: token.scopes,
    user_id: token.user.id,
    last_used_at: token.lastUsedAt === null ? null : time(token.lastUsedAt),
    active: true,
    expires_at: token.expiresAt,
  };
}

/** A pipeline as `GET /projects/:id/pipelines/:id` shows it; its status is that of its jobs together. */
export function pipelineView(world: World, pipeline: Pipeline): object {
  const jobs = [...world.jobs.values()].filter((job) => job.pipeline.id === pipeline.id && job.retriedAs === null);
  const has = (...wanted: string[]) => jobs.some((job) => wanted.includes(job.status));
  const status = has('running', 'canceling')
    ? 'running'
    : has('pending')
      ? 'pending'
      : has('failed')
        ? 'failed'
        : has('canceled')
          ? 'canceled'
          : has('manual')
            ? 'manual'
            : 'success';
  return {
    ...shortPipeline(pipeline),
    status,
    before_sha: pipeline.beforeSha,
    tag: pipeline.tag,
    user: jobs[0] === undefined ? null : userView(jobs[0].user),
  };
}

function shortPipeline(pipeline: Pipeline) {
  return {
    id: pipeline.id,
    iid: pipeline.iid,
    project_id: pipeline.projectId,
    sha: pipeline.sha,
    ref: pipeline.ref,
    status: 'running',
    source: pipeline.source,
    created_at: time(pipeline.createdAt),
    updated_at: time(pipeline.createdAt),
  };
}

/** A job as `GET /job` and `GET /projects/:id/jobs/:id` show it. */
export function jobView(job: Job): object {
  const ended = job.finishedAt;
  const { commit } = job.pipeline;
  return {
    id: job.id,
    status: job.status,
    stage: job.stage,
    name: job.name,
    ref: job.pipeline.ref,
    tag: job.pipeline.tag,
    coverage: null,
    allow_failure: false,
    created_at: time(job.createdAt),
    started_at: time(job.startedAt),
    finished_at: time(ended),
    erased_at: time(job.erasedAt),
    duration: job.startedAt === null || ended === null ? null : (ended - job.startedAt) / 1000,
    queued_duration: 0.01,
    source: job.pipeline.source,
    user: { ...userView(job.user), created_at: '2020-01-02T03:04:05.678Z', bio: '', location: '', public_email: null },
    commit: {
      id: job.pipeline.sha,
      short_id: job.pipeline.sha.slice(0, 8),
      created_at: time(job.pipeline.createdAt - 60_000),
      parent_ids: [job.pipeline.beforeSha],
      title: commit.title,
      message: commit.title,
      author_name: commit.authorName,
      author_email: commit.authorEmail,
      committer_name: commit.authorName,
      committer_email: commit.authorEmail,
    },
    pipeline: shortPipeline(job.pipeline),
    ...(job.failureReason === null ? {} : { failure_reason: job.failureReason }),
    web_url: job.webUrl,
    project: { ci_job_token_scope_enabled: false },
    artifacts: job.artifacts.map((one) => ({
      file_type: one.type,
      size: one.sizeBytes,
      filename: one.name,
      file_format: 'zip',
    })),
    runner:
      job.runner === null
        ? null
        : {
            id: job.runner.id,
            description: job.runner.name,
            paused: job.runner.paused,
            runner_type: 'project_type',
            is_shared: false,
          },
    runner_manager: job.systemId === null ? null : { id: 1, system_id: job.systemId, status: 'online' },
    artifacts_expire_at: null,
    archived: false,
    tag_list: [],
  };
}

/** The picture of a job that tests look at. */
export function snapshot(job: Job): FakeJob {
  return {
    id: job.id,
    name: job.name,
    projectId: job.projectId,
    pipelineId: job.pipeline.id,
    sha: job.pipeline.sha,
    status: job.status,
    trace: job.trace.toString('utf8'),
    failureReason: job.failureReason,
    exitCode: job.exitCode,
    handedOutAt: job.handedOutAt,
    handOuts: job.handOuts,
    token: job.token,
    tokenExpiresAt: job.tokenExpiresAt,
    updatedAt: job.updatedAt,
    payload: job.payload,
    checksum: job.checksum,
    artifacts: job.artifacts.map(({ name, sizeBytes, hash }) => ({ name, sizeBytes, hash })),
    retriedAs: job.retriedAs,
    requests: job.requests,
  };
}
