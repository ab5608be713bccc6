import type { Approval } from '../domain/approval.ts';
import type { Deployment, DeploymentVote } from '../domain/deployment.ts';
import type { Facts } from '../domain/facts.ts';
import type { Hold } from '../domain/hold.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import { deployWords } from '../domain/protected-environment.ts';
import { type ApprovalRule, whoWords } from '../domain/rule.ts';
import { type LetRunStep, whoLetRun } from '../domain/who-let-run.ts';
import type { StoreReader } from '../ports/store.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));
const asked = (rules: readonly ApprovalRule[]) =>
  rules.map(({ name, who, count }) => ({ name, who: whoWords(who), count }));

const approvalPart = (approval: Approval) => ({
  id: approval.id,
  digest: approval.digest,
  lifetime: lifetimeText(approval.lifetime),
  votes: approval.votes,
  auto: approval.auto ?? null,
  breakGlass: approval.breakGlass === true,
  policy: approval.policy,
  createdAt: time(approval.createdAt),
  revoked: approval.revoked && { by: approval.revoked.by, at: time(approval.revoked.at) },
});

const deploymentPart = (deployment: Deployment, votes: readonly DeploymentVote[]) => ({
  rules: asked(deployment.requirement.rules),
  votes,
  approvedAt: timeOrNull(deployment.approvedAt),
  started: deployment.started && { person: deployment.started.person, at: time(deployment.started.at) },
  deployAccess: deployWords(deployment.rules.deployAccess),
  policy: deployment.requirement.policy,
});

/** Who let a Deployment run, step by step: both of its gates, and who started it. */
export async function letRunOf(
  store: StoreReader,
  {
    deployment,
    hold,
    facts,
    votes,
  }: {
    readonly deployment: Deployment;
    readonly hold: Hold;
    readonly facts: Facts;
    readonly votes: readonly DeploymentVote[];
  },
): Promise<readonly LetRunStep[]> {
  const passed = hold.approval ?? hold.configured;
  const approval = passed === null ? null : await store.approval(passed);
  // Under which rules it was approved: those of its own question, which another Hold may have put.
  const review = approval === null ? null : await store.review(approval.review);
  return whoLetRun({
    digest: hold.digest,
    trigger: hold.trigger,
    openedAt: time(hold.openedAt),
    commit: facts.commit,
    approval: approval && approvalPart(approval),
    rules: approval?.breakGlass === true ? [] : asked(review?.requirement.rules ?? []),
    deployment: deploymentPart(deployment, votes),
    attempts: hold.attempts.map(({ jobId, runner, handedOutAt, endedAt, ended }) => ({
      jobId,
      runner,
      handedOutAt: timeOrNull(handedOutAt),
      endedAt: timeOrNull(endedAt),
      ended,
    })),
  });
}
