import { visibleDeployment } from '../../app/deployments/look.ts';
import { runDeployment } from '../../app/deployments/run.ts';
import type { V4Context } from './context.ts';
import { deploymentViews } from './deployment-view.ts';
import { asGitlab, V4Error } from './errors.ts';
import { idIn, projectOf, requireDeployments } from './lookup.ts';
import type { V4Request, V4Route } from './route.ts';

/** Jobs that deploy: look at one, and run it. */
export function jobRoutes(context: V4Context): readonly V4Route[] {
  const { hub } = context;

  /** The deployment of a job, whichever attempt of it: a job that was retried is the same run. */
  const deploymentOf = async (request: V4Request) => {
    const project = await projectOf(context, request);
    await requireDeployments(context, project);
    const job = idIn(request, 'job_id');
    const { id, sight } = project;
    const newest = { by: 'id', descending: true } as const;
    const [one] = await hub.store.deploymentsInOrder({ project: id, sight }, newest, { offset: 0, limit: 1 });
    const instance = one?.subject.instance ?? context.gitlabUrl;
    const hold = instance === null ? null : await hub.store.holdOfJob(instance, id, job);
    const found = hold === null ? null : await hub.store.deploymentOfHold(hold.id);
    if (hold === null || found === null) throw new V4Error('not_found');
    return asGitlab({ not_found: 'not_found' }, () => visibleDeployment(hub, request.caller, found.id));
  };

  return [
    {
      method: 'GET',
      url: '/projects/:id/jobs/:job_id',
      summary: 'A job that deploys to a protected environment; other jobs are not here.',
      scopes: ['read'],
      handle: async (request) => {
        const { deployment, hold } = await deploymentOf(request);
        return { body: await deploymentViews(context).jobView(deployment, hold) };
      },
    },
    {
      method: 'POST',
      url: '/projects/:id/jobs/:job_id/play',
      summary: 'Run a job whose deployment is approved.',
      scopes: ['deploy'],
      vote: true,
      handle: async (request) => {
        const { deployment, hold } = await deploymentOf(request);
        const run = await asGitlab(
          {
            no_deploy_access: 'forbidden',
            not_eligible: 'forbidden',
            not_found: 'not_found',
            approvals_missing: 'unplayable',
            wrong_state: 'unplayable',
            deployment_broken: 'forbidden_because',
          },
          () => runDeployment(hub, request.caller, deployment.id),
        );
        const after = (await hub.store.hold(hold.id)) ?? hold;
        return { body: await deploymentViews(context).jobView(run, after) };
      },
    },
  ];
}
