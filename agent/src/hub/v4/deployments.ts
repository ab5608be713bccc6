import { countedOf, type DeploymentGround, deploymentGround } from '../../app/deployments/look.ts';
import { approveDeployment, rejectDeployment } from '../../app/deployments/vote.ts';
import { noteDeploymentSeen } from '../../app/note-seen.ts';
import { type DeploymentState, isDeploymentOver } from '../../domain/deployment.ts';
import { requirementsOf } from '../../domain/deployment-gate.ts';
import { mayApproveDeployment, mayRejectDeployment, mayRunDeployment } from '../../domain/may-deploy.ts';
import { tallyAll } from '../../domain/quorum.ts';
import { countingVotes } from '../../domain/step-up.ts';
import type { DeploymentFilter, DeploymentOrder } from '../../ports/deployment-store.ts';
import { approvalBody, deploymentsQuery } from '../../wire/v4/bodies.ts';
import { gitlabOrigin, type V4Context } from './context.ts';
import { deploymentViews, type ShownDeployment } from './deployment-view.ts';
import { describer } from './describe.ts';
import { asGitlab, V4Error } from './errors.ts';
import { idIn, projectOf, requireDeployments } from './lookup.ts';
import { pageAnswer, partOf } from './pagination.ts';
import type { V4Request, V4Route } from './route.ts';

type Query = (typeof deploymentsQuery)['_output'];

const ORDERS = {
  id: 'id',
  iid: 'iid',
  created_at: 'createdAt',
  updated_at: 'updatedAt',
  finished_at: 'finishedAt',
  ref: 'ref',
} as const satisfies Record<NonNullable<Query['order_by']>, DeploymentOrder['by']>;

/** Throws what GitLab answers to questions that would cost it too much, so that a script meets the same here. */
function requireCheap(query: Query): void {
  const updated = query.updated_after !== undefined || query.updated_before !== undefined;
  const finished = query.finished_after !== undefined || query.finished_before !== undefined;
  if (updated && finished) throw new V4Error('both_filters');
  if (finished !== (query.order_by === 'finished_at')) throw new V4Error('finished_order');
  if (finished && query.status !== 'success') throw new V4Error('finished_status');
}

function filterOf(query: Query): Omit<DeploymentFilter, 'sight' | 'project'> {
  const { status, environment } = query;
  const states: readonly DeploymentState[] | undefined =
    status === undefined ? undefined : status === 'skipped' ? [] : [status];
  return {
    ...(states && { states }),
    ...(environment !== undefined && { environment }),
    ...(query.updated_after !== undefined && { updatedAfter: query.updated_after }),
    ...(query.updated_before !== undefined && { updatedBefore: query.updated_before }),
    ...(query.finished_after !== undefined && { finishedAfter: query.finished_after }),
    ...(query.finished_before !== undefined && { finishedBefore: query.finished_before }),
  };
}

/** How many approvals are missing, whether by the rules as they opened or as they are now. */
function pendingOf({ deployment, current, votes, gate }: DeploymentGround): number {
  const requirements = requirementsOf(deployment, current);
  if (requirements.length === 0 || isDeploymentOver(deployment.state)) return 0;
  const { tallies } = tallyAll(requirements, countingVotes(requirements, votes), gate.members);
  const missing = requirements.map(({ rules }, i) =>
    rules.reduce((sum, { count }, j) => sum + Math.max(0, count - (tallies[i]?.have[j] ?? 0)), 0),
  );
  return Math.max(...missing);
}

/** Deployments of a project: look, approve, reject. */
export function deploymentRoutes(context: V4Context): readonly V4Route[] {
  const { hub } = context;

  /** The deployment of the path and all that a decision about it stands on. */
  const groundOf = async (request: V4Request): Promise<DeploymentGround> => {
    const project = await projectOf(context, request);
    await requireDeployments(context, project);
    const id = idIn(request, 'deployment_id');
    const ground = await asGitlab({ not_found: 'not_found' }, () => deploymentGround(hub, request.caller, id));
    if (ground.deployment.subject.projectId !== project.id) throw new V4Error('not_found');
    return ground;
  };
  const shown = (ground: DeploymentGround): ShownDeployment => ({
    ...ground,
    counted: countedOf(ground),
    pending: pendingOf(ground),
  });

  /** The rule that a name of a user, group or role means. */
  const ruleNamed = async ({ deployment }: DeploymentGround, name: string): Promise<string | null> => {
    const describe = describer(hub.directory, gitlabOrigin(context));
    for (const rule of deployment.rules.rules) {
      const { access_level_description: words } = await describe.who(rule.who);
      const own = rule.who.kind === 'access_level' ? null : rule.who.name;
      if ([words, own, rule.name].includes(name)) return rule.name;
    }
    return null;
  };

  return [
    {
      method: 'GET',
      url: '/projects/:id/deployments',
      summary:
        'Deployments of a project; `status`, `environment`, `updated_after`, `updated_before`, `finished_after`, `finished_before`, `order_by`, `sort`.',
      scopes: ['read'],
      handle: async (request) => {
        const project = await projectOf(context, request);
        await requireDeployments(context, project);
        const query = request.read(deploymentsQuery);
        requireCheap(query);
        const filter = { ...filterOf(query), project: project.id, sight: project.sight };
        // GitLab orders by what it filters by.
        const updated = query.updated_after !== undefined || query.updated_before !== undefined;
        const by = updated ? 'updatedAt' : ORDERS[query.order_by ?? 'id'];
        const part = partOf(query);
        const { offset, perPage: limit } = part;
        const none = filter.states?.length === 0;
        const total = none ? 0 : await hub.store.countDeployments(filter);
        const order = { by, descending: query.sort === 'desc' } as const;
        const found = none ? [] : await hub.store.deploymentsInOrder(filter, order, { offset, limit });
        const views = deploymentViews(context);
        const body: unknown[] = [];
        for (const { id } of found)
          body.push(await views.deploymentView(shown(await deploymentGround(hub, request.caller, id))));
        return pageAnswer(request, hub.externalUrl(), part, total, body);
      },
    },
    {
      method: 'GET',
      url: '/projects/:id/deployments/:deployment_id',
      summary: 'One deployment with `approvals`, `pending_approval_count` and `approval_summary`.',
      scopes: ['read'],
      handle: async (request) => {
        const ground = await groundOf(request);
        const { standing } = ground;
        await noteDeploymentSeen(hub, request.caller, {
          ...ground,
          mayApprove: mayApproveDeployment(standing),
          mayReject: mayRejectDeployment(standing),
          mayRun: mayRunDeployment(standing),
        });
        return { body: await deploymentViews(context).deploymentView(shown(ground)) };
      },
    },
    {
      method: 'POST',
      url: '/projects/:id/deployments/:deployment_id/approval',
      summary:
        'Approve or reject a deployment that waits for approvals: `status`, `comment`, and `represented_as` to vote for one of several rules.',
      scopes: ['approve', 'deploy'],
      vote: true,
      handle: async (request) => {
        const ground = await groundOf(request);
        const body = request.read(approvalBody);
        if (body.status !== 'approved' && body.status !== 'rejected') throw new V4Error('unknown_status');
        const approves = body.status === 'approved';
        const { deployment } = ground;
        const me = request.caller.person.id;
        // In GitLab's order, so that a script that looks at the text finds the one that it knows.
        if (ground.current === null) throw new V4Error('not_protected');
        const kept = [deployment.requirement, ground.current.requirement];
        if (approves && kept.some(({ excluded }) => excluded.includes(me))) throw new V4Error('own_deployment');
        if (requirementsOf(deployment, ground.current).length === 0) throw new V4Error('no_approvals');
        if (deployment.state !== 'blocked') throw new V4Error('not_waiting');
        const may = (approves ? mayApproveDeployment : mayRejectDeployment)(ground.standing);
        if (!may.allowed && may.code === 'not_eligible') throw new V4Error('may_not_approve');
        const name = body.represented_as ?? null;
        const representedAs = name === null ? null : await ruleNamed(ground, name);
        if (name !== null && representedAs === null) throw new V4Error('unknown_rule');
        const wish = { deployment: deployment.id, comment: body.comment ?? null, representedAs };
        await asGitlab(
          {
            not_protected: 'not_protected',
            no_approval_rules: 'no_approvals',
            self_approval: 'own_deployment',
            wrong_state: 'not_waiting',
            not_eligible: representedAs === null ? 'may_not_approve' : 'unknown_rule',
            not_found: 'not_found',
            bad_input: 'unknown_rule',
            deployment_broken: 'forbidden_because',
          },
          () => (approves ? approveDeployment : rejectDeployment)(hub, request.caller, wish),
        );
        const vote = (await hub.store.deploymentVotes(deployment.id)).find(({ person }) => person.id === me);
        if (vote === undefined) throw new V4Error('not_found');
        return { status: 201, body: await deploymentViews(context).voteView(vote) };
      },
    },
  ];
}
