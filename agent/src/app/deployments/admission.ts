import type { Policy } from '../../domain/policy.ts';
import { placeOf, subjectOf } from '../../domain/subject.ts';
import type { AdmitRequest, HoldReport } from '../../ports/gatekeeper.ts';
import type { HubContext } from '../hub-context.ts';
import { type DeploymentGate, gateFor, gateOf } from './gate.ts';

/** The gate that a job has come to, with everybody who has to do with it: who triggered it, or what it may join. */
export async function admissionGate(
  context: HubContext,
  policy: Policy,
  { facts, digest }: Pick<AdmitRequest, 'facts' | 'digest'>,
): Promise<DeploymentGate | null> {
  const { environment, pipeline, trigger } = facts;
  if (environment === null) return null;
  const { store } = context;
  const subject = subjectOf(facts);
  const open =
    (await store.holdOfJob(subject.instance, subject.projectId, facts.job.id)) ??
    (await store.openHold({ subject, pipelineId: pipeline.id, jobId: facts.job.id, digest }));
  const deployment = open === null ? null : await store.deploymentOfHold(open.id);
  const votes = deployment === null ? [] : await store.deploymentVotes(deployment.id);
  const others =
    pipeline.id === null ? [] : await store.holdsOfPipeline(subject.instance, subject.projectId, pipeline.id);
  const people = [
    trigger.id,
    // A bot's job is for whoever triggered what it retried.
    ...others.map((hold) => hold.trigger.id),
    deployment?.started?.person.id ?? null,
    ...votes.map(({ person }) => person.id),
  ].flatMap((id) => (id === null ? [] : [id]));
  const { tier, verified } = environment;
  const about = { subject, projectPath: facts.project.path, place: placeOf(facts), tier, verified };
  return gateFor(context, policy, about, { deployment, people: [...new Set(people)] });
}

/**
 * The gate of a Hold that is being handed over, null for any other report. Who belongs to what is looked up afresh: somebody
 * who was removed after the approval must not be what lets it go (T19).
 */
export async function handOutGate(
  context: HubContext,
  policy: Policy,
  { event, hold: id }: HoldReport,
): Promise<DeploymentGate | null> {
  const hold = event === 'handed_out' && id !== null ? await context.store.hold(id) : null;
  if (hold === null || hold.place.environment === null) return null;
  const notBefore = context.clock.now();
  const deployment = await context.store.deploymentOfHold(hold.id);
  if (deployment !== null) return gateOf(context, policy, deployment, [], notBefore);
  const facts = await context.store.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const { subject, projectPath, place, trigger } = hold;
  const { tier = null, verified = false } = facts?.environment ?? {};
  const about = { subject, projectPath, place, tier, verified };
  return gateFor(context, policy, about, {
    deployment: null,
    people: trigger.id === null ? [] : [trigger.id],
    notBefore,
  });
}
