import { breathe, gather } from '../app/breathe.ts';
import type { HubContext } from '../app/hub-context.ts';
import { type RelaxedCache, snapshotBodies } from '../app/snapshot.ts';
import type { Signer } from '../domain/dsse.ts';
import { bodyDigest, SNAPSHOT_FORM, type SnapshotBody, type SnapshotHead, signSnapshot } from '../domain/snapshot.ts';
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

/** Agents whose numbers are one write: a fifth of a second's work at most. */
const AT_ONCE = 200;
/** Some milliseconds: the release of a job must not wait behind the signatures for all others. */
const SIGNED_IN_A_TURN = 8;

/** What is known of a connection. */
interface Followed {
  readonly has: number;
  /** Digest of the body that the agent has from here; null: none yet. */
  body: string | null;
  /** Its first snapshot, which goes out before any other. */
  work: Promise<unknown>;
}

/** Events after which something may no longer run. */
function isUrgent({ type, state }: ChangedEvent): boolean {
  return (type === 'approval' && state !== 'valid') || (type === 'review' && state === 'rejected');
}

/** Signs and sends snapshots: after each welcome, when something changes, and now and then. */
export function createSnapshots({ context, signer, grace, policyVersion, log }: SnapshotOptions): Snapshots {
  const { store, clock } = context;
  const cache: RelaxedCache = new Map();
  const peers = new Map<SnapshotPeer, Followed>();
  let round: Promise<unknown> = Promise.resolve();
  const fresh: SnapshotPeer[] = [];
  let first: Promise<void> = Promise.resolve();
  let last: { readonly body: string; readonly digest: string } | null = null;
  let due: { readonly at: number; cancel: () => void } | null = null;
  let version = '';

  function failed(whose: readonly SnapshotPeer[], error: unknown): null {
    const agents = whose.slice(0, 10).map(({ agent }) => agent);
    log.error({ agents, error: String(error) }, `no snapshot could be made for ${whose.length} agents`);
    return null;
  }

  /** Their numbers are one write of the store: ten thousand agents every half a minute would be as many synced to disk. */
  async function issue(whose: readonly SnapshotPeer[]): Promise<void> {
    // Of the time before anything was read: a snapshot must not claim to be newer than what it says.
    const issued = clock.now();
    const made: { peer: SnapshotPeer; state: Followed; body: string }[] = [];
    const texts = new Map<SnapshotBody, string>();
    const textOf = (body: SnapshotBody): string => {
      const text = texts.get(body) ?? JSON.stringify(body);
      texts.set(body, text);
      return text;
    };
    const bodyOf = await snapshotBodies(
      context,
      whose.map(({ agent }) => agent),
      cache,
    );
    for (const peer of whose) {
      const state = peers.get(peer);
      // One that cannot be made is said in the log, and the others get theirs.
      const body = state === undefined ? null : await bodyOf(peer.agent).then(textOf, (error) => failed([peer], error));
      if (state !== undefined && body !== null) made.push({ peer, state, body });
    }
    if (made.length === 0) return;
    const asked = made.map(({ peer, state }) => ({ agent: peer.agent, has: state.has }));
    const numbers = await store.write((tx) => tx.nextSnapshots(asked));
    for (const [n, { peer, state, body }] of made.entries()) {
      if (peers.has(peer)) sendSnapshot(peer, state, { body, seq: numbers[n]!, issued });
      if (n % SIGNED_IN_A_TURN === SIGNED_IN_A_TURN - 1) await breathe();
    }
  }

  async function issueFresh(): Promise<void> {
    if (fresh.length === 0) return;
    await gather();
    const part = fresh.splice(0, AT_ONCE);
    await issue(part).catch((error: unknown) => void failed(part, error));
  }

  function sendSnapshot(
    peer: SnapshotPeer,
    state: Followed,
    { body, seq, issued }: { readonly body: string; readonly seq: number; readonly issued: number },
  ): void {
    // Most agents have brought nothing that is approved, and may do the same: one text is hashed once.
    const digest = last?.body === body ? last.digest : bodyDigest(body);
    last = { body, digest };
    const head: SnapshotHead = {
      form: SNAPSHOT_FORM,
      agent: peer.agent,
      seq,
      issued,
      graceProtectedMs: grace.protectedMs,
      graceMs: grace.elsewhereMs,
      body: digest,
    };
    const { head: text, signature } = signSnapshot(signer, head);
    const known = state.body === digest;
    state.body = digest;
    const signed = Buffer.from(signature).toString('base64url');
    peer.send({ type: 'snapshot', head: text, body: known ? null : body, signature: signed });
  }

  /** One round after the other, and within it some agents at a time, so that numbers go out in order and others have their turn. */
  function issueAll(): void {
    version = policyVersion();
    const all = [...peers.keys()];
    for (let from = 0; from < all.length; from += AT_ONCE) {
      const part = all.slice(from, from + AT_ONCE);
      round = round
        .then(() => Promise.all(part.map((peer) => peers.get(peer)?.work)))
        .then(() => issue(part))
        .catch((error: unknown) => void failed(part, error));
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
      const state: Followed = { has, body: null, work: Promise.resolve() };
      peers.set(peer, state);
      if (version === '') version = policyVersion();
      // Those that come while others get theirs go together: a hub that was started again has all of them at once.
      fresh.push(peer);
      first = first.then(issueFresh);
      state.work = first;
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
      await Promise.all([...works, round]);
    },
  };
}
