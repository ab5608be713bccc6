import type { BrokenMark, Deployment, DeploymentState } from './deployment.ts';
import { type CurrentRules, mayStart, requirementsOf } from './deployment-gate.ts';
import type { ErrorCode } from './errors.ts';
import { type Member, roleWords } from './principal.ts';
import { deployWords } from './protected-environment.ts';
import { entitled } from './quorum.ts';
import { askWords, whoWords } from './rule.ts';
import type { TokenScope } from './token.ts';

/** Whether a person may do something to a Deployment, and if not, why in words and by which error code. */
export type MayDeploy =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly code: ErrorCode; readonly reason: string };

/** What a right is judged on. */
export interface Standing {
  readonly deployment: Deployment;
  /** What holds now; null where nothing protects the environment any more. */
  readonly current: CurrentRules | null;
  readonly personId: number;
  /** The live membership, undefined for a stranger. */
  readonly member: Member | undefined;
  readonly broken: BrokenMark | null;
}

const no = (code: ErrorCode, reason: string): MayDeploy => ({ allowed: false, code, reason });

function standing(member: Member | undefined): string {
  if (member?.person.bot === true) return 'you are no person but a bot, and no rule names you';
  return member === undefined || member.accessLevel === 0
    ? 'you have no access to the project'
    : `you are ${roleWords(member.accessLevel)}`;
}

/** A state that waits for nobody, as the end of a sentence. */
const NOTHING_LEFT: Readonly<Record<Exclude<DeploymentState, 'blocked' | 'created'>, string>> = {
  running: 'it runs already',
  success: 'it has ended with success',
  failed: 'it has failed',
  canceled: 'it was canceled',
};
/** What has become of a Deployment that nobody decides on any more, in words; null while somebody does. */
export function nothingLeft(state: DeploymentState): string | null {
  return state === 'blocked' || state === 'created' ? null : NOTHING_LEFT[state];
}

/** Whether the person knows one of the rules of each requirement: as frozen, and as they are now (T19, T21). */
function known({ deployment, current, member }: Standing, all: boolean): MayDeploy {
  const requirements = requirementsOf(deployment, current);
  const missing = requirements.find((one) => !entitled(one, member));
  const someKnow = requirements.some((one) => entitled(one, member));
  if (missing === undefined || (!all && someKnow)) return { allowed: true };
  const asked = [...new Set(missing.rules.map(({ who }) => whoWords(who)))].join(' or ');
  const when = missing === deployment.requirement ? '' : 'now ';
  return no(
    'not_eligible',
    `${standing(member)}, and the rules ${when}ask for ${asked}: ${askWords(missing.rules.map(({ who }) => who))}`,
  );
}

/** Whether the person's approve of this Deployment would count. */
export function mayApproveDeployment(asks: Standing): MayDeploy {
  const { deployment, current, personId, broken } = asks;
  const left = nothingLeft(deployment.state);
  if (left !== null) return no('wrong_state', `${left}: there is nothing to approve; run the job again for a new one`);
  const requirements = requirementsOf(deployment, current);
  if (requirements.length === 0)
    return no('no_approval_rules', "its environment asks for nobody's approval: whoever may deploy runs it");
  if (deployment.state === 'created')
    return no('wrong_state', 'its approvals are complete already: whoever may deploy runs it');
  if (broken !== null)
    return no(
      'deployment_broken',
      `${broken.by.username} marked this commit as broken there (${broken.reason}): lift the mark first`,
    );
  // Whoever belongs to nothing is told that first: it is the same for every deployment of theirs.
  const may = known(asks, true);
  if (!may.allowed) return may;
  if (requirements.some((one) => one.excluded.includes(personId))) {
    return no(
      'self_approval',
      'you triggered it, and nobody approves their own deployment here: ask somebody else (allow_pipeline_trigger_approve)',
    );
  }
  return { allowed: true };
}

/** Whether the person's reject counts: whoever the rules know, one's own deployment included (T18). */
export function mayRejectDeployment(asks: Standing): MayDeploy {
  const { deployment, current } = asks;
  const left = nothingLeft(deployment.state);
  if (left !== null) return no('wrong_state', `${left}: there is nothing to reject`);
  if (requirementsOf(deployment, current).length === 0)
    return no('no_approval_rules', 'its environment asks for nobody to approve or reject: cancel the job in GitLab');
  return known(asks, false);
}

/** Whether the person may start it now; that its approvals are missing comes after the right itself. */
export function mayRunDeployment(asks: Standing): MayDeploy {
  const { deployment, current, member, broken } = asks;
  const left = nothingLeft(deployment.state);
  if (left !== null) return no('wrong_state', `${left}: there is nothing to run; run the job again for a new one`);
  if (!mayStart(deployment, current, member)) {
    const lists = current === null ? deployment.rules.deployAccess : current.rules.deployAccess;
    return no(
      'no_deploy_access',
      `${standing(member)}, and only ${deployWords(lists)} may deploy to ${deployment.environment.name}: ${askWords(lists.flat())}`,
    );
  }
  if (broken !== null)
    return no(
      'deployment_broken',
      `${broken.by.username} marked this commit as broken there (${broken.reason}): lift the mark first`,
    );
  if (deployment.state === 'blocked')
    return no('approvals_missing', 'its approvals are not complete: it is run once they are');
  if (deployment.started !== null)
    return no(
      'wrong_state',
      `${deployment.started.person.username} has run it already: it goes as soon as nothing else is missing`,
    );
  return { allowed: true };
}

/** Whether the person may say that its commit is broken there, or lift that: whoever may deploy or is asked to approve. */
export function mayMarkDeployment({ deployment, current, member }: Omit<Standing, 'personId' | 'broken'>): MayDeploy {
  const known =
    mayStart(deployment, current, member) || requirementsOf(deployment, current).some((one) => entitled(one, member));
  if (known) return { allowed: true };
  const { name } = deployment.environment;
  return no('not_eligible', `who may approve or deploy to ${name} marks what is broken there: ask one of them`);
}

/** The same for who comes with a token: it is to blame only where the person could do it with another one. */
export function withAnyScope(may: MayDeploy, has: readonly TokenScope[], wanted: readonly TokenScope[]): MayDeploy {
  return !may.allowed || wanted.some((scope) => has.includes(scope))
    ? may
    : no('forbidden', `your token has no scope ${wanted[0]}: use one that has`);
}
