import type { Approval } from '../../domain/approval.ts';
import type { Deployment, NamedPerson } from '../../domain/deployment.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Page } from '../../ports/store.ts';
import type { Caller, HubContext } from '../hub-context.ts';
import { sightOf } from '../see.ts';
import { holdsOf } from './look.ts';

/** What runs in one environment, and who approved that. */
export interface CurrentDeployment {
  readonly deployment: Deployment;
  readonly hold: Hold;
  /** Whose approves its configuration passed with; nobody where it went another way than by votes. */
  readonly configurationBy: readonly NamedPerson[];
  readonly deploymentBy: readonly NamedPerson[];
}

/** Whose votes an Approval rests on: nobody's, where the glass was broken. */
function votersOf(approval: Approval | undefined): readonly NamedPerson[] {
  if (approval === undefined || approval.breakGlass === true) return [];
  return approval.votes.filter(({ decision }) => decision === 'approve').map(({ person }) => person);
}

/** What runs in each environment now, as far as the caller may see it; in order of the environment's id. */
export async function currentDeployments(
  context: HubContext,
  caller: Caller,
  filter: { readonly project?: number | string; readonly environment?: string },
  page: Page,
): Promise<readonly CurrentDeployment[]> {
  const { store } = context;
  const found = await store.currentDeployments({ ...filter, sight: await sightOf(context, caller) }, page);
  const holds = await holdsOf(store, found);
  const passed = [...holds.values()].flatMap(({ approval }) => (approval === null ? [] : [approval]));
  const approvals = new Map((await store.approvalsWithIds(passed)).map((one) => [one.id, one]));
  const votes = await store.votesOnDeployments(found.map(({ id }) => id));
  return found.map((deployment) => {
    const hold = holds.get(deployment.hold)!;
    return {
      deployment,
      hold,
      configurationBy: votersOf(approvals.get(hold.approval ?? 0)),
      deploymentBy: votes
        .filter((vote) => vote.deployment === deployment.id && vote.decision === 'approve')
        .map(({ person }) => person),
    };
  });
}
