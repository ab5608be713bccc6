/** Deployments and their jobs in GitLab's words. */
import type { CountedRule } from '../../app/deployments/look.ts';
import type { Deployment, DeploymentVote } from '../../domain/deployment.ts';
import type { Facts } from '../../domain/facts.ts';
import type { Attempt, Hold, HoldState } from '../../domain/hold.ts';
import { gitlabOrigin, type V4Context } from './context.ts';
import { describer } from './describe.ts';

/** A deployment with everything that is shown of it. */
export interface ShownDeployment {
  readonly deployment: Deployment;
  readonly hold: Hold;
  /** Its rules, each with the votes that count for it and those beside. */
  readonly counted: readonly CountedRule[];
  readonly votes: readonly DeploymentVote[];
  /** How many approvals are missing: of the rules as they opened and as they are now the more. */
  readonly pending: number;
}

/** GitLab's word for the job of a Hold: what waits for people is a manual job there. */
const JOB_STATUS: Readonly<Record<HoldState, string>> = {
  waiting_for_approval: 'manual',
  pending: 'pending',
  running: 'running',
  success: 'success',
  failed: 'failed',
  canceled: 'canceled',
  rejected: 'failed',
  expired: 'canceled',
};

const time = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString();
/** Name of a branch or tag; another ref stays whole. */
const shortRef = (ref: string): string => /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1] ?? ref;

/** Writes deployments for one request. */
export function deploymentViews(context: V4Context) {
  const { hub } = context;
  const origin = gitlabOrigin(context);
  const describe = describer(hub.directory, origin);

  const triggerView = ({ id, username, name }: Facts['trigger']) =>
    id === null ? null : describe.user({ id, username: username ?? String(id), name: name ?? username ?? String(id) });
  const voteView = async ({ person, decision, at, comment }: DeploymentVote) => ({
    user: await describe.user(person),
    status: decision === 'approve' ? ('approved' as const) : ('rejected' as const),
    created_at: time(at),
    comment,
  });
  const environmentView = ({ environment }: Deployment) => ({
    id: environment.id,
    name: environment.name,
    slug: environment.slug,
    external_url: environment.url,
    tier: environment.tier,
  });
  const ruleView = async ({ rule, need, approvedBy, others }: CountedRule) => ({
    id: rule.element,
    ...(await describe.who(rule.who)),
    required_approvals: need,
    deployment_approvals: await Promise.all([...approvedBy, ...others].sort((a, b) => a.at - b.at).map(voteView)),
  });
  const jobView = async (deployment: Deployment, hold: Hold) => {
    const attempt: Attempt | undefined = hold.attempts.at(-1);
    if (attempt === undefined) return null;
    const facts = await hub.store.facts(hold.id, attempt.jobId);
    const { sha, place, pipelineId } = deployment;
    const ref = shortRef(place.ref);
    return {
      id: attempt.jobId,
      status: JOB_STATUS[hold.state],
      stage: hold.stage,
      name: hold.subject.job,
      ref,
      tag: place.ref.startsWith('refs/tags/'),
      coverage: null,
      allow_failure: false,
      created_at: time(attempt.at),
      started_at: time(attempt.handedOutAt),
      finished_at: time(attempt.endedAt),
      user: await triggerView(hold.trigger),
      commit: {
        id: sha,
        short_id: sha.slice(0, 8),
        title: facts?.commit.title ?? null,
        author_name: facts?.commit.author ?? null,
      },
      pipeline:
        pipelineId === null
          ? null
          : { id: pipelineId, ref, sha, source: facts?.pipeline.source ?? null, web_url: facts?.pipeline.url ?? null },
      web_url: attempt.url,
      project: { ci_job_token_scope_enabled: false },
      runner: null,
    };
  };
  return {
    describe,
    voteView,
    jobView,
    async deploymentView({ deployment, hold, counted, votes, pending }: ShownDeployment) {
      return {
        id: deployment.id,
        iid: deployment.iid,
        ref: shortRef(deployment.place.ref),
        sha: deployment.sha,
        created_at: time(deployment.createdAt),
        updated_at: time(deployment.updatedAt),
        finished_at: time(deployment.finishedAt),
        status: deployment.state,
        user: await triggerView(deployment.trigger),
        environment: environmentView(deployment),
        deployable: await jobView(deployment, hold),
        pending_approval_count: pending,
        approvals: await Promise.all(votes.map(voteView)),
        approval_summary: { rules: await Promise.all(counted.map(ruleView)) },
      };
    },
  };
}
