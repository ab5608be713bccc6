import { type DeploymentStanding, deploymentStanding } from '../domain/deployment-standing.ts';
import type { ListedDeployment } from './deployments.ts';

/** Where a Deployment of an answer stands. */
export function standingOf(of: ListedDeployment): DeploymentStanding {
  const { state, started, trigger, waits_for: waitsFor, hold_state: holdState, retry } = of;
  const job = retry && { by: retry.by, jobId: retry.job_id };
  return deploymentStanding({ state, started: started?.by ?? null, trigger, waitsFor, holdState, retry: job });
}
