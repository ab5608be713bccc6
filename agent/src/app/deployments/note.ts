import type { Deployment } from '../../domain/deployment.ts';
import { isThrough } from '../../domain/deployment-gate.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Member } from '../../domain/principal.ts';
import { printable } from '../../domain/printable.ts';
import { deployWords, mayDeploy } from '../../domain/protected-environment.ts';
import { blindNames, hiddenOf } from '../blind.ts';
import { policyFor } from '../governing.ts';
import { names, whoMayApprove } from '../hold-note.ts';
import type { HubContext } from '../hub-context.ts';
import { gateOf } from './gate.ts';
import { waitsFor } from './look.ts';

const MAX_LINE_CHARS = 240;
const cut = (text: string): string => (text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)} …` : text);

/** What the developer reads of the deployment gate: what it waits for, who approves, who runs it, what happens to the job meanwhile (T32, T33). */
function lines(deployment: Deployment, hold: Hold, members: readonly Member[]): readonly string[] {
  const { requirement, rules, environment, started, id } = deployment;
  const waits = waitsFor(hold, deployment);
  const out = [
    `Environment ${environment.name} is protected (${rules.sources.join(', ')}): this is deployment ${id}, which is ${deployment.state}.`,
  ];
  if (waits.includes('approvals')) out.push(`Who may approve the deployment: ${whoMayApprove(requirement, members)}.`);
  if (requirement.excluded.length > 0 && waits.includes('approvals'))
    out.push('Whoever triggered it cannot approve it.');
  if (started !== null) out.push(`${started.person.username} started it by running the job.`);
  else {
    const may = members.filter((member) => mayDeploy(rules.deployAccess, member));
    const who = may.length === 0 ? 'nobody at present' : names(may);
    out.push(`Who may run it once it is approved: ${who} (${deployWords(rules.deployAccess)}).`);
  }
  out.push(`Decide: "holdpoint deployments show ${id}"`);
  return out;
}

/** What an agent is told of a Hold that waits for its deployment: the note, and how long its job stays alive. */
export interface DeploymentWait {
  readonly note: string;
  /** Null: as long as the agent keeps any job that waits. */
  readonly liveMs: number | null;
}

/**
 * The note of a Hold with what is to be said of its deployment gate, and how long its job stays alive: a deployment that waits
 * for people is ended at once unless the policy says otherwise, or it would block its resource group for days.
 */
export async function deploymentWait(
  context: HubContext,
  hold: Hold,
  note: string,
  url: string,
): Promise<DeploymentWait> {
  const deployment = hold.place.environment === null ? null : await context.store.deploymentOfHold(hold.id);
  if (deployment === null || isThrough(deployment)) return { note, liveMs: null };
  const policy = await context.policy();
  const gate = await gateOf(context, policy, deployment);
  const own = lines(deployment, hold, gate.members);
  const alone = [
    `Holdpoint: this job waits for its deployment (hold ${hold.id}); its configuration is approved.`,
    ...own,
    `More: ${url}`,
  ];
  const all =
    hold.configured === null
      ? [note, ...own.map((line) => cut(printable(line)))]
      : alone.map((line) => cut(printable(line)));
  // What nobody has seen can be revealed only while its job is there, and without that nobody could ever approve it (T57).
  const blind =
    hold.configured === null
      ? blindNames(await hiddenOf(context.store, policyFor(policy, hold), hold, context.clock.now()))
      : [];
  return { note: all.join('\n'), liveMs: blind.length > 0 ? null : (gate.rules ?? deployment.rules).options.liveMs };
}
