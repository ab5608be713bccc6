import { type Deployment, type DeploymentCommand, moveDeployment } from '../../domain/deployment.ts';
import { commandAfter } from '../../domain/deployment-gate.ts';
import type { Hold, HoldCommand } from '../../domain/hold.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { ChangedEvent } from '../../ports/push.ts';
import type { StoreWriter } from '../../ports/store.ts';

/** What of a transaction in progress a move needs. */
interface Moving {
  readonly tx: StoreWriter;
  readonly now: number;
  audit(
    event: string,
    about: { readonly hold: Hold | null; readonly deployment: number; readonly digest: string },
    detail: JsonObject,
  ): Promise<void>;
  changed(event: ChangedEvent): void;
}

/** The event of each command, as the audit names it. */
const EVENTS: Readonly<Record<DeploymentCommand['type'], string>> = {
  approve: 'deployment_approved',
  block: 'deployment_blocked',
  run: 'deployment_run',
  stop: 'deployment_stopped',
  reject: 'deployment_rejected',
  confirm: 'deployment_running',
  finish: 'deployment_ended',
};

const reasonOf = (command: DeploymentCommand): JsonObject => ('reason' in command ? { reason: command.reason } : {});

/** Moves a Deployment and records it. Answers the moved Deployment. */
export async function moveTo(
  s: Moving,
  deployment: Deployment,
  command: DeploymentCommand,
  detail: JsonObject = {},
): Promise<Deployment> {
  const moved = moveDeployment(deployment, command, s.now);
  await s.tx.updateDeployment(moved);
  await s.audit(EVENTS[command.type], aboutDeployment(moved, await s.tx.hold(moved.hold)), {
    from: deployment.state,
    to: moved.state,
    environment: moved.environment.name,
    ...reasonOf(command),
    ...detail,
  });
  s.changed({ type: 'deployment', id: moved.id, state: moved.state, projectId: moved.subject.projectId });
  return moved;
}

/** What an audit row of a Deployment is about. */
export function aboutDeployment(deployment: Deployment, hold: Hold | null) {
  return { hold, deployment: deployment.id, digest: deployment.digest };
}

/** Takes the Deployment along when its Hold has been moved: it starts and ends with it, whatever moved the Hold. */
export async function followHold(s: Moving, hold: Hold, command: HoldCommand): Promise<void> {
  if (hold.place.environment === null) return;
  const deployment = await s.tx.deploymentOfHold(hold.id);
  const follows = deployment === null ? null : commandAfter(deployment, hold, command);
  if (deployment !== null && follows !== null) await moveTo(s, deployment, follows);
}
