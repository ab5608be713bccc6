import { type Approval, matches, type Question } from './approval.ts';
import { digestOfText } from './digest.ts';
import { type Envelope, pae, type Signer } from './dsse.ts';
import type { Facts } from './facts.ts';
import { freezeAt } from './freeze.ts';
import type { JsonObject } from './json.ts';
import { type EffectivePolicy, effectivePolicy, type Policy, timeoutProblem } from './policy.ts';
import type { PolicyTarget } from './policy-match.ts';
import { isRunOnly } from './run-only.ts';
import { runValuesOf } from './run-values.ts';
import { inputsOf } from './scope.ts';
import { missingSections, sectionsWanted } from './sections.ts';
import { placeOf, type Subject, subjectOf } from './subject.ts';
import { relax, tolerates } from './tolerate.ts';

/**
 * What an agent may let run while its hub is away: signed by the hub, for one agent, with a number that only grows. It says
 * less than the hub would: whatever an agent cannot tell by itself waits.
 */
export const SNAPSHOT_PAYLOAD = 'application/vnd.holdpoint.snapshot+json';
/** Another form would be read as saying something else. */
export const SNAPSHOT_FORM = 'holdpoint.snapshot/v1';

/** What is signed. Times are epoch ms. */
export interface SnapshotHead {
  readonly form: typeof SNAPSHOT_FORM;
  readonly agent: string;
  readonly seq: number;
  readonly issued: number;
  /** How long it holds without the hub: on protected refs, and elsewhere. */
  readonly graceProtectedMs: number;
  readonly graceMs: number;
  /** Digest of the body's text: a head that says the same of a later time needs no second body. */
  readonly body: string;
}
/** An Approval, and what its configuration is without what the policy tolerates. */
export interface SnapshotApproval {
  readonly approval: Approval;
  /** Digest of it; null where nothing may differ, or where nothing is known of it. */
  readonly relaxed: string | null;
}
/** What decides. */
export interface SnapshotBody {
  /** Without who may approve: nobody does here. */
  readonly policy: Policy;
  readonly approvals: readonly SnapshotApproval[];
  readonly denials: readonly { readonly subject: Subject; readonly digest: string; readonly until: number }[];
}
/** A head, its body's text (null: the body that the agent has), and the hub's signature over the head's text. */
export interface SignedSnapshot {
  readonly head: string;
  readonly body: string | null;
  readonly signature: Uint8Array;
}

/** A snapshot as its agent tells of it. */
export interface HeldSnapshot {
  readonly seq: number;
  /** Version of the policy in it. */
  readonly policy: string;
  /** Since the hub said it, by the agent's own time. */
  readonly ageMs: number;
}

/** Signs a head. */
export function signSnapshot(signer: Signer, head: SnapshotHead): Pick<SignedSnapshot, 'head' | 'signature'> {
  const text = JSON.stringify(head);
  return { head: text, signature: signer.sign(snapshotBytes(text)) };
}

/** The bytes that are signed. */
export function snapshotBytes(head: string): Uint8Array {
  return pae(SNAPSHOT_PAYLOAD, new TextEncoder().encode(head) as Envelope['payload']);
}

/** What names a body. */
export function bodyDigest(text: string): string {
  return digestOfText(text);
}

/** The policy as agents get it: what decides about a job that people have approved, and nobody's name. */
export function policyForAgents(policy: Policy): Policy {
  const bare = <T extends Partial<EffectivePolicy>>(settings: T): T => ({
    ...settings,
    ...(settings.rules && { rules: [] }),
    ...(settings.breakGlass && { breakGlass: { ...settings.breakGlass, rules: [] } }),
  });
  return {
    ...policy,
    base: bare(policy.base),
    entries: policy.entries.map((entry) => ({ ...entry, settings: bare(entry.settings) })),
    freezes: policy.freezes.map((window) => ({ ...window, rules: [] })),
    environments: [],
    divert: [],
  };
}

/** An Approval as agents get it: nobody's name, nobody's comment. */
export function approvalForAgents(approval: Approval): Approval {
  return { ...approval, votes: [] };
}

/** What a job is asked by. */
export interface OfflineJob {
  readonly digest: string;
  readonly configuration: JsonObject;
  readonly facts: Facts;
}
/** Let through, and by which Approval; or why not, in words. */
export type OfflineVerdict =
  | { readonly outcome: 'pass'; readonly kind: 'approved' | 'tolerated'; readonly approval: number }
  | { readonly outcome: 'hold'; readonly isDenied: boolean; readonly reason: string };

const waits = (reason: string, isDenied = false): OfflineVerdict => ({ outcome: 'hold', isDenied, reason });

/** Whether a snapshot that is in force lets a job run; `tag` is the HMAC of hidden values of its project. Pure. */
export function offlineVerdict(
  { policy, approvals, denials }: SnapshotBody,
  { digest, configuration, facts }: OfflineJob,
  now: number,
  tag: (name: string, text: string) => string | null,
): OfflineVerdict {
  const [subject, place] = [subjectOf(facts), placeOf(facts)];
  const same = (other: Subject): boolean =>
    other.instance === subject.instance && other.projectId === subject.projectId && other.job === subject.job;
  // No decision overtakes a denial (T15), least of all one that nobody makes.
  if (denials.some((denial) => same(denial.subject) && denial.digest === digest && now < denial.until))
    return waits('it was rejected, and that is remembered', true);
  // Whether an environment is protected, who may deploy to it and what runs there now is the hub's to know.
  if (place.environment !== null) return waits('a deployment needs the hub');
  const own = approvals.filter(({ approval }) => same(approval.subject));
  const projectPath = facts.project.path ?? own[0]?.approval.projectPath ?? null;
  const target: PolicyTarget = { projectId: subject.projectId, projectPath, job: subject.job, ...place };
  const effective = effectivePolicy(policy, target);
  const missing = missingSections(configuration, sectionsWanted(effective));
  if (missing !== null) return waits(missing);
  // An approval of that very run is needed, which no agent can tell from any other.
  const timeout = timeoutProblem(effective.timeout, facts.timeoutS);
  if (timeout !== null) return waits(timeout);
  if (effective.fourEyesLive === 'required' || effective.recording === 'required')
    return waits('it has to be watched or recorded, which needs the hub');
  const { hard, extra } = freezeAt(policy.freezes, target, now);
  if (hard !== null) return waits(`frozen by ${hard.names.join(' and ')}`);
  // What ran under an Approval is known to the hub alone: no artifact counts as admitted here.
  const inputs = inputsOf(facts.dependencies, new Set());
  const question: Question = { subject, digest, place, inputs, runner: facts.runner, hold: null };
  const counting = own.filter(
    ({ approval }) =>
      (approval.lifetime.kind === 'standing' || approval.lifetime.kind === 'until') &&
      approval.breakGlass !== true &&
      matches({ ...approval, digest }, question, now) &&
      (extra === null || (approval.createdAt >= extra.since && approval.policy === policy.version)),
  );
  const exact = counting.find(({ approval }) => approval.digest === digest);
  if (exact !== undefined) return { outcome: 'pass', kind: 'approved', approval: exact.approval.id };
  if (!tolerates(effective.tolerance) || isRunOnly(configuration))
    return waits('no approval that this agent has covers it');
  const { text } = relax(configuration, effective.tolerance, runValuesOf(facts, effective.opaque, tag));
  const relaxed = digestOfText(text);
  const tolerance = JSON.stringify(effective.tolerance);
  const alike = counting.find(
    ({ approval, relaxed: known }) =>
      known === relaxed &&
      // Made under the tolerance of its own place: of another one it says nothing.
      tolerance ===
        JSON.stringify(
          effectivePolicy(policy, { ...target, projectPath: approval.projectPath, ...approval.place }).tolerance,
        ),
  );
  return alike === undefined
    ? waits('no approval that this agent has covers it')
    : { outcome: 'pass', kind: 'tolerated', approval: alike.approval.id };
}
