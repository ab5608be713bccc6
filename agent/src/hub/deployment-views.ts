/** Deployments and protected environments as the native API shows them. */
import type { CurrentDeployment } from '../app/deployments/current.ts';
import type { EnvironmentOutcome } from '../app/deployments/edit-environment.ts';
import type { DeploymentInspection, ListedDeployment } from '../app/deployments/look.ts';
import type { BrokenMark, Deployment } from '../domain/deployment.ts';
import type { Hold } from '../domain/hold.ts';
import type { MayDeploy } from '../domain/may-deploy.ts';
import type { KnownPerson } from '../domain/person-words.ts';
import type { Person } from '../domain/principal.ts';
import {
  type AccessElement,
  deployWords,
  type EnvironmentChange,
  type EnvironmentWish,
  type ProtectedEnvironment,
} from '../domain/protected-environment.ts';
import { lastAttempt, type RetryAdvice } from '../domain/retrying.ts';
import { type Who, whoWords } from '../domain/rule.ts';
import type {
  CurrentDeployment as CurrentDeploymentView,
  DeploymentDetail,
  DeploymentView,
  EnvironmentChangeView,
  ListedDeployment as ListedDeploymentView,
  ProtectedEnvironmentView,
  protectBody,
} from '../wire/deployments.ts';
import { auditView, quorumView, retryView, rulesView } from './views.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));
const named = ({ id, username, name }: KnownPerson) => ({ id, username, name });
const person = ({ id, username, name }: Pick<Person, 'id' | 'username' | 'name'>) => ({ id, username, name });

/** A Deployment as it stands in lists. */
export function deploymentView(of: Deployment): DeploymentView {
  return {
    id: of.id,
    iid: of.iid,
    state: of.state,
    kind: of.kind,
    hold: of.hold,
    environment: { ...of.environment },
    instance: of.subject.instance,
    project_id: of.subject.projectId,
    project_path: of.projectPath,
    job: of.subject.job,
    stage: of.stage,
    digest: of.digest,
    ref: of.place.ref,
    ref_protected: of.place.refProtected,
    sha: of.sha,
    pipeline_id: of.pipelineId,
    trigger: { ...of.trigger },
    protected_by: [...of.rules.sources],
    started: of.started && { by: person(of.started.person), at: time(of.started.at) },
    approved_at: timeOrNull(of.approvedAt),
    created_at: time(of.createdAt),
    updated_at: time(of.updatedAt),
    running_at: timeOrNull(of.runningAt),
    finished_at: timeOrNull(of.finishedAt),
    reason: of.reason,
  };
}

const mayView = (may: MayDeploy) =>
  may.allowed
    ? { allowed: true, code: null, reason: null }
    : { allowed: false, code: may.code as string, reason: may.reason };

/** A mark as it is shown. */
export function brokenView(mark: BrokenMark) {
  return {
    id: mark.id,
    environment: mark.environment,
    sha: mark.sha,
    deployment: mark.deployment,
    by: person(mark.by),
    reason: mark.reason,
    at: time(mark.at),
    lifted_at: timeOrNull(mark.lifted?.at ?? null),
    lifted_by: mark.lifted && person(mark.lifted.by),
  };
}

const jobOf = (hold: Hold) => {
  const newest = lastAttempt(hold);
  return { job_id: newest.jobId, job_url: newest.url };
};

/** A Deployment in the list, with the job that stands for it. */
export function listedView(
  { deployment, hold, waitsFor }: ListedDeployment,
  retry: RetryAdvice | null,
): ListedDeploymentView {
  return {
    ...deploymentView(deployment),
    ...jobOf(hold),
    hold_state: hold.state,
    waits_for: [...waitsFor],
    retry: retry && retryView(retry),
  };
}

/** What runs in an environment now. */
export function currentView({
  deployment,
  hold,
  configurationBy,
  deploymentBy,
}: CurrentDeployment): CurrentDeploymentView {
  return {
    ...deploymentView(deployment),
    ...jobOf(hold),
    stopped: deployment.environment.action === 'stop',
    since: time(deployment.finishedAt ?? deployment.updatedAt),
    approved_by: { configuration: configurationBy.map(person), deployment: deploymentBy.map(person) },
  };
}

/** Everything about one Deployment. */
export function deploymentDetail(of: DeploymentInspection, url: string, retry: RetryAdvice | null): DeploymentDetail {
  return {
    ...listedView(of, retry),
    let_run: of.letRun.map(({ step, people, at, note }) => ({ step, people: people.map(named), at, note })),
    votes: of.votes.map((vote) => ({
      person: person(vote.person),
      decision: vote.decision,
      represented_as: vote.representedAs,
      comment: vote.comment,
      at: time(vote.at),
    })),
    rules: rulesView(of.rules),
    quorum: quorumView(of.quorum),
    may_approve: mayView(of.mayApprove),
    may_reject: mayView(of.mayReject),
    may_run: mayView(of.mayRun),
    may_mark: mayView(of.mayMark),
    deployers: of.deployers.map(person),
    deploy_access: deployWords(of.deployment.rules.deployAccess),
    is_protected: of.isProtected,
    broken: of.broken && brokenView(of.broken),
    earlier: of.earlier.map(deploymentView),
    history: of.history.map(auditView),
    url,
  };
}

function elementView({ id, who }: AccessElement) {
  return {
    id,
    user_id: who.kind === 'user' ? who.id : null,
    group_id: who.kind === 'group' ? who.id : null,
    access_level: who.kind === 'access_level' ? who.level : null,
    inherited: who.kind === 'group' && who.inherited,
    who: whoWords(who),
  };
}

/** A protection as it is shown. */
export function protectedView(of: ProtectedEnvironment): ProtectedEnvironmentView {
  return {
    id: of.id,
    level: of.level,
    owner: of.owner,
    owner_path: of.ownerPath,
    name: of.name,
    deploy_access_levels: of.deployAccess.map(elementView),
    approval_rules: of.approvalRules.map((rule) => ({ ...elementView(rule), required_approvals: rule.count })),
    options: {
      on_no_deploy_access: of.options.onNoDeployAccess,
      rerun: of.options.rerun,
      not_older_than_last_success: of.options.notOlderThanLastSuccess,
      live_s: Math.round(of.options.liveMs / 1000),
    },
    created_at: time(of.createdAt),
    updated_at: time(of.updatedAt),
  };
}

/** A change that waits for a second person. */
export function changeView(of: EnvironmentChange): EnvironmentChangeView {
  const { type, ...wanted } = of.action;
  return {
    id: of.id,
    level: of.level,
    owner: of.owner,
    name: of.name,
    state: of.state,
    action: type,
    wanted,
    by: person(of.by),
    at: time(of.at),
  };
}

/** What came of a change. */
export function outcomeView({ environment, pending }: EnvironmentOutcome) {
  return { environment: environment && protectedView(environment), pending: pending && changeView(pending) };
}

type Body = (typeof protectBody)['_output'];
type BodyElement = NonNullable<Body['approval_rules']>[number];

/** Whom an element of a body asks for; undefined where it says nothing, or more than one thing: the verb refuses that. */
function whoOf({ user_id: user, group_id: group, access_level: level, inherited }: BodyElement): Who | undefined {
  if ([user, group, level].filter((one) => one !== undefined).length !== 1) return undefined;
  if (user !== undefined) return { kind: 'user', id: user, name: null };
  if (group !== undefined) return { kind: 'group', id: group, name: null, inherited: inherited ?? false };
  return level === undefined ? undefined : { kind: 'access_level', level };
}

/** What a body asks for. */
export function wishOf({ deploy_access_levels: access, approval_rules: rules, options }: Body): EnvironmentWish {
  const change = (element: BodyElement) => {
    if (element.destroy === true && element.id !== undefined) return { id: element.id, destroy: true } as const;
    const who = whoOf(element);
    const count = element.required_approvals;
    return {
      ...(element.id === undefined ? {} : { id: element.id }),
      ...(who === undefined ? {} : { who }),
      ...(count === undefined ? {} : { count }),
    };
  };
  return {
    ...(access === undefined ? {} : { deployAccess: access.map(change) }),
    ...(rules === undefined ? {} : { approvalRules: rules.map(change) }),
    ...(options === undefined
      ? {}
      : {
          options: {
            ...(options.on_no_deploy_access && { onNoDeployAccess: options.on_no_deploy_access }),
            ...(options.rerun && { rerun: options.rerun }),
            ...(options.not_older_than_last_success !== undefined && {
              notOlderThanLastSuccess: options.not_older_than_last_success,
            }),
            ...(options.live_s !== undefined && { liveMs: options.live_s * 1000 }),
          },
        }),
  };
}
