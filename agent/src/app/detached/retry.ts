import { type Hold, isFinal } from '../../domain/hold.ts';
import { isDetached, lastAttempt, type RetryCredential, type RetryProgress, retryStep } from '../../domain/retrying.ts';
import type { CiAnswer, CiApi, CiPlace } from '../../ports/ci-api.ts';
import type { Log } from '../../ports/log.ts';
import { policyFor } from '../governing.ts';
import { type HubContext, retrying } from '../hub-context.ts';
import { cancelHold, type Settlement, settle } from '../settle.ts';
import type { LentCredentials } from './credentials.ts';

/** What the verbs of this folder work with. */
export interface DetachedDeps {
  readonly hub: HubContext;
  readonly ci: CiApi;
  readonly lent: LentCredentials;
  /** Until when another hub on the store has one of this person; null where none says so. What it has it uses itself. */
  readonly lentElsewhere: (person: number) => number | null;
  /** The project bot's token as it is in its file now; null when the operator gave none. */
  readonly botToken: () => string | null;
  readonly log: Log;
}

/** A credential that may be used for a Hold, and whose it is. */
export interface Offer {
  readonly kind: RetryCredential;
  readonly text: string;
  readonly user: number;
}

/** What a try came to: `over` when the Hold no longer needs one, `again` when the CI server has not ended its job yet. */
export type Tried = RetryProgress | { readonly at: 'over' } | { readonly at: 'again'; readonly reason: string };

function place(hold: Hold): CiPlace {
  const { projectId, job } = hold.subject;
  return { projectId, pipelineId: hold.pipelineId, jobId: lastAttempt(hold).jobId, job };
}

/**
 * Credentials for a Hold, best first: that of the very person who triggered it, then the bot's. Nobody else's is ever
 * used, whoever lent one: a retried job runs as who retried it (T52). A bot is asked who it is before it does anything,
 * so that its jobs are known for what they are.
 */
export async function* offersFor(
  deps: DetachedDeps,
  hold: Hold,
  own: string | null,
): AsyncGenerator<Offer | { readonly refused: string }> {
  const { id, verified } = hold.trigger;
  if (id !== null && verified !== 'unverified') {
    const text = own ?? deps.lent.of(id);
    const person = text === null ? null : await deps.hub.directory.person(id);
    if (text !== null && person !== null && !person.blocked) yield { kind: 'trigger', text, user: id };
  }
  const bot = deps.botToken();
  if (bot === null) return;
  const who = await deps.ci.whoIs(bot);
  if (who.ok) yield { kind: 'bot', text: bot, user: who.value.id };
  else yield { refused: `GitLab does not take the token of hub.gitlab_token_file (${who.status})` };
}

/** Settles as the system, with what the Hold is at that moment: null when it is no longer detached and open. */
export function settleDetached<T>(
  deps: DetachedDeps,
  id: number,
  work: (s: Settlement, hold: Hold) => Promise<T>,
): Promise<T | null> {
  const { hub } = deps;
  return retrying(async () => {
    const policy = await hub.policy();
    return settle(hub, { actor: 'system', address: null, now: hub.clock.now(), policy }, async (s) => {
      const hold = await s.tx.hold(id);
      return hold === null || isFinal(hold.state) || !isDetached(hold) ? null : work(s, hold);
    });
  });
}

const refusedBy = (offer: Offer, what: string, status: number): string =>
  `${offer.kind === 'bot' ? 'the bot token' : "the trigger's credential"} may not ${what} (${status})`;

/**
 * One try to have a detached Hold's job run again: first a look at what its pipeline has, so that a job that somebody
 * retried, or whose retry was done although the answer was lost, is not retried twice. A refusal falls through to the
 * next credential. Rejects with `ci_unreachable` when GitLab could not be asked: try again later.
 */
export async function tryRetry(deps: DetachedDeps, id: number, own: string | null = null): Promise<Tried> {
  const { hub, log } = deps;
  const hold = await hub.store.hold(id);
  if (hold === null || hold.state !== 'pending' || !isDetached(hold)) return { at: 'over' };
  if (policyFor(await hub.policy(), hold).superseded === 'cancel' && (await hub.store.overtaken(hold))) {
    await settleDetached(deps, id, (s, now) => cancelHold(s, now, 'superseded'));
    return { at: 'over' };
  }
  if (own === null && isElsewhere(deps, hold))
    return { at: 'again', reason: 'the hub that the credential was lent to retries it' };
  const refusals: string[] = [];
  for await (const offer of offersFor(deps, hold, own)) {
    if ('refused' in offer) {
      refusals.push(offer.refused);
      continue;
    }
    const tried = await tryWith(deps, hold, offer);
    if (tried.ok) return tried.value;
    refusals.push(refusedBy(offer, 'retry it', tried.status));
    // 401: it is over; whoever lent it lends another one.
    if (offer.kind === 'trigger' && tried.status === 401) deps.lent.forget(offer.user, offer.text);
    log.info({ hold: id, by: offer.kind, status: tried.status }, 'a retry was refused');
  }
  const reason = refusals.length === 0 ? 'it was lent no credential' : refusals.join(', ');
  return { at: 'person', reason };
}

/** The trigger's own credential goes before a bot's, and only the hub that it was lent to has it. */
function isElsewhere({ lent, lentElsewhere }: DetachedDeps, { trigger: { id, verified } }: Hold): boolean {
  return id !== null && verified !== 'unverified' && lent.of(id) === null && lentElsewhere(id) !== null;
}

async function tryWith(deps: DetachedDeps, hold: Hold, offer: Offer): Promise<CiAnswer<Tried>> {
  const { ci, hub } = deps;
  const done = (value: Tried): CiAnswer<Tried> => ({ ok: true, value });
  // Twice: a refusal may mean that a person was faster between our look and our retry.
  let refused = 403;
  for (let looks = 1; looks <= 2; looks++) {
    const seen = await ci.look(offer.text, place(hold));
    if (!seen.ok) return seen;
    const asked = await hub.store.retriesOf(hold.id);
    const step = retryStep(hold, seen.value, asked.length);
    switch (step.do) {
      case 'expect':
        return done({ at: 'queued', jobId: step.jobId });
      case 'look_again':
        return done({ at: 'again', reason: 'GitLab has not ended its job yet' });
      case 'cancel':
        await settleDetached(deps, hold.id, (s, now) => cancelHold(s, now, step.reason));
        return done({ at: 'over' });
      case 'leave':
        return done({ at: 'person', reason: step.reason });
      case 'retry': {
        if (looks === 2) return { ok: false, status: refused };
        if (!(await noteAsked(deps, hold, step.jobId, offer))) return done({ at: 'over' });
        const answer = await ci.retry(offer.text, hold.subject.projectId, step.jobId);
        if (!answer.ok) {
          refused = answer.status;
          break;
        }
        await noteRetried(deps, hold.id, step.jobId, answer.value, offer);
        deps.log.info({ hold: hold.id, job: answer.value, by: offer.kind }, 'a detached job was retried');
        return done({ at: 'queued', jobId: answer.value });
      }
      default:
        return step satisfies never;
    }
  }
  return { ok: false, status: refused };
}

/** On the disk before GitLab is asked: whatever arrives in the bot's name is known, answer or not. False when the Hold has moved on. */
async function noteAsked(deps: DetachedDeps, { id }: Hold, jobId: number, offer: Offer): Promise<boolean> {
  const noted = await settleDetached(deps, id, async (s, hold) => {
    if (hold.state !== 'pending') return false;
    const before = (await s.tx.retriesOf(id)).find((retry) => retry.jobId === jobId);
    await s.tx.putRetry({ hold: id, jobId, newJobId: null, credential: offer.kind, user: offer.user, at: s.now });
    if (before?.credential !== offer.kind)
      await s.audit('retry_asked', { hold }, { job_id: jobId, credential: offer.kind, user: offer.user });
    return true;
  });
  return noted === true;
}

async function noteRetried(
  deps: DetachedDeps,
  id: number,
  jobId: number,
  newJobId: number,
  { kind, user }: Offer,
): Promise<void> {
  await settleDetached(deps, id, async (s, hold) => {
    await s.tx.putRetry({ hold: id, jobId, newJobId, credential: kind, user, at: s.now });
    await s.audit('job_retried', { hold }, { job_id: jobId, new_job_id: newJobId, credential: kind, user });
  });
}
