import type { Approval } from '../domain/approval.ts';
import type { AuditRow } from '../domain/audit.ts';
import type { Deployment, DeploymentVote } from '../domain/deployment.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import type { Hold } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { entitled } from '../domain/quorum.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import type { Vote } from '../domain/vote.ts';
import type { StoreReader } from '../ports/store.ts';
import { auditPaths } from './audit-tree.ts';
import { type AuditKeeper, type SignedHead, signedHead } from './checkpoint.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import { type NearestDiff, type NearestReader, nearestDiff, readConfiguration } from './nearest.ts';
import { whyGone } from './removed.ts';
import { notFound, visibleHold } from './see.ts';
import { settle } from './settle.ts';

/** Everything that a bundle is made of, at one moment. */
export interface BundleParts {
  readonly hold: Hold;
  readonly deployment: Deployment | null;
  readonly deploymentVotes: readonly DeploymentVote[];
  readonly canonical: string;
  readonly facts: Facts;
  readonly review: Review | null;
  readonly votes: readonly Vote[];
  readonly approval: Approval | null;
  readonly diff: NearestDiff;
  readonly rows: readonly { readonly row: AuditRow; readonly path: readonly string[] }[];
  readonly signed: SignedHead;
  readonly madeAt: number;
}

/** More rows than that has no Hold that is honest; the rest is in the export. */
const MAX_ROWS = 5_000;

/** Events of a Review or an Approval that belong to every Hold that they decide, whichever Hold they happened on. */
const SHARED =
  /^(review_|vote_|approval_|values_revealed$|hold_seen$|digest_denied$|denial_|exception_used$|break_glass_)/;

/** Every row that tells of this Hold and its Deployment, and of how the question was answered that it waited for. */
async function rowsOf(
  store: StoreReader,
  { hold, deployment, approval, reviews }: Pick<BundleParts, 'hold' | 'deployment' | 'approval'> & Reviews,
): Promise<readonly AuditRow[]> {
  const page = { after: 0, limit: MAX_ROWS };
  const rows = new Map<number, AuditRow>();
  const take = (found: readonly AuditRow[], isWanted: (row: AuditRow) => boolean): void => {
    for (const row of found) if (isWanted(row)) rows.set(row.seq, row);
  };
  take(await store.auditRows({ hold: hold.id, sight: null }, page), () => true);
  if (deployment !== null) take(await store.auditRows({ deployment: deployment.id, sight: null }, page), () => true);
  const digests = [null, hold.digest, approval?.digest ?? null];
  const shared = ({ event, digest }: AuditRow): boolean => SHARED.test(event) && digests.includes(digest);
  for (const review of reviews) take(await store.auditRows({ review, sight: null }, page), shared);
  if (approval !== null) {
    const made = (row: AuditRow): boolean => shared(row) && row.event.startsWith('approval_');
    take(await store.auditRows({ approval: approval.id, sight: null }, page), made);
  }
  return [...rows.values()].sort((a, b) => a.seq - b.seq).slice(0, MAX_ROWS);
}
interface Reviews {
  readonly reviews: readonly number[];
}

/** The canonical form stands in a bundle whole, tags of hidden values too: it is for who may decide, and for auditors (T32). */
async function requireReads(
  context: HubContext,
  caller: Caller,
  { hold, review, deployment }: Pick<BundleParts, 'hold' | 'review' | 'deployment'>,
): Promise<void> {
  const policy = policyFor(await context.policy(), hold);
  const asked = review === null ? [] : [review.requirement, requirementFor(policy, review.requirement)];
  const requirements = deployment === null ? asked : [...asked, deployment.requirement];
  const members = await membersFor(context.directory, hold.subject.projectId, requirements);
  const member = members.find(({ person }) => person.id === caller.person.id);
  if (!requirements.some((requirement) => entitled(requirement, member))) throw forbidden(hold);
}
const forbidden = (hold: Hold): HoldpointError =>
  new HoldpointError(
    'forbidden',
    `a bundle of hold ${hold.id} is for those who may decide on it, and for tokens with scope audit: ask an administrator for one`,
  );

/**
 * All that is known of one Hold, with the proof that its rows stand in the audit up to a head that is signed now. `whole`:
 * the token may read all of the audit. That the bundle was made, and by whom, is the last of its rows. Rejects with
 * `not_found`, `forbidden`.
 */
export async function bundleOfHold(
  context: HubContext,
  keeper: AuditKeeper,
  caller: Caller,
  whole: boolean,
  id: number,
): Promise<BundleParts> {
  const { store } = context;
  const hold = whole ? await store.hold(id) : await visibleHold(context, caller, id);
  if (hold === null) throw notFound('hold', id);
  const passed = hold.approval ?? hold.configured;
  const approval = passed === null ? null : await store.approval(passed);
  const reviewId = hold.review ?? approval?.review ?? null;
  const review = reviewId === null ? null : await store.review(reviewId);
  const deployment = await store.deploymentOfHold(hold.id);
  if (!whole) await requireReads(context, caller, { hold, review, deployment });
  const configuration = await readConfiguration(store, hold.digest);
  const canonical = await store.configuration(hold.digest);
  const facts = await store.facts(hold.id, hold.attempts.at(-1)!.jobId);
  if (configuration === null || canonical === null || facts === null)
    throw await whyGone(store, { what: `hold ${id}`, digest: hold.digest, hold: id });
  await note(context, caller, hold);
  const reviews = [...new Set([hold.review, approval?.review ?? null])].filter((of) => of !== null);
  const rows = await rowsOf(store, { hold, deployment, approval, reviews });
  const signed = await signedHead(context, keeper.signer);
  if (signed === null) throw new HoldpointError('internal', `hold ${id}: the audit has no row of it`);
  return {
    hold,
    deployment,
    deploymentVotes: deployment === null ? [] : await store.deploymentVotes(deployment.id),
    canonical,
    facts,
    review,
    votes: review === null ? [] : await store.votes(review.id),
    approval,
    diff: await diffBefore(store, hold, configuration, review?.openedAt ?? hold.openedAt),
    rows: await proved(context, rows, signed.head.seq),
    signed,
    madeAt: context.clock.now(),
  };
}

/** The bundle of the Hold whose second gate a Deployment is. Rejects with `not_found`, `forbidden`. */
export async function bundleOfDeployment(
  context: HubContext,
  keeper: AuditKeeper,
  caller: Caller,
  whole: boolean,
  id: number,
): Promise<BundleParts> {
  const deployment = await context.store.deployment(id);
  if (deployment === null) throw notFound('deployment', id);
  if (!whole) {
    // Whoever does not see its Hold is told of no deployment either.
    await visibleHold(context, caller, deployment.hold).catch((error: unknown) => {
      throw error instanceof HoldpointError && error.code === 'not_found' ? notFound('deployment', id) : error;
    });
  }
  return bundleOfHold(context, keeper, caller, whole, deployment.hold);
}
/** Against what was approved when the question was put, not against what has been since. */
function diffBefore(store: StoreReader, hold: Hold, configuration: JsonObject, at: number): Promise<NearestDiff> {
  const then = ({ id, createdAt }: Approval): boolean =>
    createdAt <= at && (hold.review === null || id !== (hold.approval ?? hold.configured));
  const revokedThen = ({ revoked }: Approval): boolean => revoked !== null && revoked.at <= at;
  // Somebody may have revoked it since: when the question was put, it stood.
  const since = async (subject: Approval['subject'], limit: number): Promise<readonly Approval[]> =>
    (await store.revokedOf(subject, limit))
      .filter((approval) => !revokedThen(approval))
      .map((approval) => ({ ...approval, revoked: null }));
  const reader: NearestReader = {
    configuration: (digest) => store.configuration(digest),
    configurationsOf: (digests, maxChars) => store.configurationsOf(digests, maxChars),
    approvalsOf: async (subject, digest, limit) =>
      [...(await store.approvalsOf(subject, digest, limit)), ...(await since(subject, limit))]
        .filter(then)
        .sort((a, b) => b.id - a.id),
    revokedOf: async (subject, limit) => (await store.revokedOf(subject, limit)).filter(then).filter(revokedThen),
  };
  return nearestDiff(reader, hold.subject, configuration, at);
}

async function proved(context: HubContext, rows: readonly AuditRow[], size: number): Promise<BundleParts['rows']> {
  const seqs = rows.map((row) => row.seq);
  const paths = await auditPaths(context.store, seqs, size);
  return rows.map((row, i) => ({ row, path: paths[i]! }));
}

async function note(context: HubContext, caller: Caller, hold: Hold): Promise<void> {
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, (s) => s.audit('bundle_made', { hold }, { token: caller.token.id }));
}
