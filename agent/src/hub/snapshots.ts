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

/** Agents whose numbers are one write, and that are told again together. */
const AT_ONCE = 200;
/** Some milliseconds: the release of a job must not wait behind the signatures for all others. */
const SIGNED_IN_A_TURN = 8;

/** Something that is to be done at a time, epoch ms. */
interface Due {
  readonly at: number;
  cancel(): void;
}

/** A body's text, and what names it. */
interface Body {
  readonly text: string;
  readonly digest: string;
}
/** What is known of a connection. */
interface Followed {
  readonly has: number;
  /** Digest of the body that the agent has from here; null: none yet. */
  body: string | null;
  /** Its first snapshot, which goes out before any other. */
  work: Promise<unknown>;
}

/** How soon agents have to hear of an event, in ms; null: it is not said in any snapshot. */
function wantedWithin({ type, state }: ChangedEvent): number | null {
  if (type === 'approval') return state === 'valid' ? SOON_MS : URGENT_MS;
  return type === 'review' && state === 'rejected' ? URGENT_MS : null;
}

/** Signs and sends snapshots: after each welcome, when something changes, and now and then. */
export function createSnapshots({ context, signer, grace, policyVersion, log }: SnapshotOptions): Snapshots {
  const { store, clock } = context;
  const cache: RelaxedCache = new Map();
  const peers = new Map<SnapshotPeer, Followed>();
  let round: Promise<unknown> = Promise.resolve();
  const fresh: SnapshotPeer[] = [];
  let first: Promise<void> = Promise.resolve();
  let [telling, renewing] = [false, false];
  let changes: Due | null = null;
  let renewal: Due | null = null;
  let version = '';

  function failed(whose: readonly SnapshotPeer[], error: unknown): null {
    const agents = whose.slice(0, 10).map(({ agent }) => agent);
    log.error({ agents, error: String(error) }, `no snapshot could be made for ${whose.length} agents`);
    return null;
  }

  /**
   * Their numbers are one write of the store: ten thousand agents every half a minute would be as many synced to disk. With `changed`
   * only those get one whose body is another than what they have: an approval is news for the agents of one project.
   */
  async function issue(whose: readonly SnapshotPeer[], changed: boolean): Promise<void> {
    // Of the time before anything was read: a snapshot must not claim to be newer than what it says.
    const issued = clock.now();
    const made: { peer: SnapshotPeer; state: Followed; body: Body }[] = [];
    // Most agents have brought nothing that is approved, and many do the same: one text is made and hashed once.
    const texts = new Map<SnapshotBody, Body>();
    const textOf = (body: SnapshotBody): Body => {
      const known = texts.get(body);
      if (known !== undefined) return known;
      const text = JSON.stringify(body);
      const fresh = { text, digest: bodyDigest(text) };
      texts.set(body, fresh);
      return fresh;
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
      if (state === undefined || body === null || (changed && state.body === body.digest)) continue;
      made.push({ peer, state, body });
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
    await issue(part, false).catch((error: unknown) => void failed(part, error));
  }

  function sendSnapshot(
    peer: SnapshotPeer,
    state: Followed,
    {
      body: { text: body, digest },
      seq,
      issued,
    }: { readonly body: Body; readonly seq: number; readonly issued: number },
  ): void {
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

  /** Whose first snapshot is on its way gets the next one after it: numbers go out in order. */
  async function issueAfterFirst(part: readonly SnapshotPeer[], changed: boolean): Promise<void> {
    await Promise.all(part.map((peer) => peers.get(peer)?.work));
    await issue(part, changed);
  }

  async function tellAll(): Promise<void> {
    version = policyVersion();
    const all = [...peers.keys()];
    for (let from = 0; from < all.length; from += AT_ONCE) {
      try {
        await issueAfterFirst(all.slice(from, from + AT_ONCE), true);
      } catch (error) {
        failed(all.slice(from), error);
        planChanges(SOON_MS);
        return;
      }
    }
  }

  /** However many are revoked one after the other: one round at a time. */
  function tellChanges(): void {
    changes = null;
    if (telling) {
      planChanges(URGENT_MS);
      return;
    }
    telling = true;
    round = round.then(tellAll).finally(() => {
      telling = false;
    });
  }

  /** Those whose turn it is: over half a minute each of them, and never all of thousands in one moment. */
  function renew(): void {
    renewal = null;
    planRenewal();
    // Where the store takes longer than that, turns are not gathered up.
    if (renewing) return;
    const whose = [...peers].slice(0, Math.ceil(peers.size / parts()));
    for (const [peer, state] of whose) {
      peers.delete(peer);
      peers.set(peer, state);
    }
    const part = whose.map(([peer]) => peer);
    renewing = true;
    round = round
      .then(() => issueAfterFirst(part, false))
      .catch((error: unknown) => void failed(part, error))
      .finally(() => {
        renewing = false;
      });
  }
  const parts = (): number => Math.ceil(peers.size / AT_ONCE);

  /** At the earlier of the two times. */
  function sooner(due: Due | null, withinMs: number, work: () => void): Due {
    const at = clock.now() + withinMs;
    if (due !== null && due.at <= at) return due;
    due?.cancel();
    return { at, cancel: clock.after(withinMs, work) };
  }
  function planRenewal(): void {
    if (peers.size > 0) renewal = sooner(renewal, RENEW_MS / parts(), renew);
  }
  function planChanges(withinMs: number): void {
    if (peers.size > 0) changes = sooner(changes, withinMs, tellChanges);
  }

  /** A policy is read again by itself: nobody says so. */
  let cancelLook = clock.after(1_000, lookAtPolicy);
  function lookAtPolicy(): void {
    if (policyVersion() !== version) planChanges(URGENT_MS);
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
      planRenewal();
      return () => peers.delete(peer);
    },
    noticed(event) {
      const within = wantedWithin(event);
      if (within !== null) planChanges(within);
    },
    async close() {
      cancelLook();
      changes?.cancel();
      renewal?.cancel();
      const works = [...peers.values()].map(({ work }) => work);
      peers.clear();
      await Promise.all([...works, round]);
    },
  };
}
