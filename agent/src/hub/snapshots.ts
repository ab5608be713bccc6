import type { HubContext } from '../app/hub-context.ts';
import { type RelaxedCache, snapshotBody } from '../app/snapshot.ts';
import type { Signer } from '../domain/dsse.ts';
import { bodyDigest, SNAPSHOT_FORM, type SnapshotHead, signSnapshot } from '../domain/snapshot.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';
import type { HubFrame } from '../wire/link.ts';

/** How long agents may do without the hub. */
export interface OfflineGrace {
  readonly protectedMs: number;
  readonly elsewhereMs: number;
}
/** What snapshots are made of. */
export interface SnapshotOptions {
  readonly context: HubContext;
  readonly signer: Signer;
  readonly grace: OfflineGrace;
  /** Version of the policy as its file is now, without looking anybody up. */
  readonly policyVersion: () => string;
  readonly log: Log;
}
/** A connection that snapshots go to. */
export interface SnapshotPeer {
  readonly agent: string;
  send(frame: HubFrame): void;
}
/** Snapshots for the agents that are connected here. */
export interface Snapshots {
  /** Sends the first one; the answer ends it. `has` is the number of the newest that the agent has. */
  follow(peer: SnapshotPeer, has: number): () => void;
  /** Something has changed that a snapshot may say. */
  noticed(event: ChangedEvent): void;
  close(): Promise<void>;
}

/** As often as this each agent hears that its snapshot still holds: the grace begins at most so long before the hub went away. */
const RENEW_MS = 30_000;
/** What was taken back has to be out within a second. */
const URGENT_MS = 100;
/** What was added can wait a little: many approvals make one snapshot. */
const SOON_MS = 5_000;

/** Events after which something may no longer run. */
function isUrgent({ type, state }: ChangedEvent): boolean {
  return (type === 'approval' && state !== 'valid') || (type === 'review' && state === 'rejected');
}

/** Signs and sends snapshots: after each welcome, when something changes, and now and then. */
export function createSnapshots({ context, signer, grace, policyVersion, log }: SnapshotOptions): Snapshots {
  const { store, clock } = context;
  const cache: RelaxedCache = new Map();
  const peers = new Map<SnapshotPeer, { has: number; body: string | null; work: Promise<void> }>();
  let due: { readonly at: number; cancel: () => void } | null = null;
  let version = '';

  async function issue(peer: SnapshotPeer): Promise<void> {
    const state = peers.get(peer);
    if (state === undefined) return;
    const body = JSON.stringify(await snapshotBody(context, peer.agent, cache));
    const digest = bodyDigest(body);
    const seq = await store.write((tx) => tx.nextSnapshot(peer.agent, state.has));
    const head: SnapshotHead = {
      form: SNAPSHOT_FORM,
      agent: peer.agent,
      seq,
      issued: clock.now(),
      graceProtectedMs: grace.protectedMs,
      graceMs: grace.elsewhereMs,
      body: digest,
    };
    if (!peers.has(peer)) return;
    const { head: text, signature } = signSnapshot(signer, head);
    const known = state.body === digest;
    state.body = digest;
    const signed = Buffer.from(signature).toString('base64url');
    peer.send({ type: 'snapshot', head: text, body: known ? null : body, signature: signed });
  }

  /** One after the other for each agent, so that numbers go out in order. */
  function issueAll(): void {
    version = policyVersion();
    for (const [peer, state] of peers) {
      state.work = state.work
        .then(() => issue(peer))
        .catch((error) => log.error({ agent: peer.agent, error: String(error) }, 'no snapshot could be made'));
    }
    plan(RENEW_MS);
  }

  function plan(withinMs: number): void {
    const at = clock.now() + withinMs;
    if (due !== null && due.at <= at && due.at > clock.now()) return;
    due?.cancel();
    due = peers.size === 0 ? null : { at, cancel: clock.after(withinMs, issueAll) };
  }

  /** A policy is read again by itself: nobody says so. */
  let cancelLook = clock.after(1_000, lookAtPolicy);
  function lookAtPolicy(): void {
    if (peers.size > 0 && policyVersion() !== version) plan(URGENT_MS);
    cancelLook = clock.after(1_000, lookAtPolicy);
  }

  return {
    follow(peer, has) {
      const state = { has, body: null as string | null, work: Promise.resolve() };
      peers.set(peer, state);
      if (version === '') version = policyVersion();
      state.work = issue(peer).catch((error) =>
        log.error({ agent: peer.agent, error: String(error) }, 'no snapshot could be made'),
      );
      plan(RENEW_MS);
      return () => peers.delete(peer);
    },
    noticed(event) {
      if (event.type !== 'approval' && event.type !== 'review') return;
      if (peers.size > 0) plan(isUrgent(event) ? URGENT_MS : SOON_MS);
    },
    async close() {
      cancelLook();
      due?.cancel();
      const works = [...peers.values()].map(({ work }) => work);
      peers.clear();
      await Promise.all(works);
    },
  };
}
