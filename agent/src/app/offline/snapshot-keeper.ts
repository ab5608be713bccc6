import type { Verify } from '../../domain/audit-head.ts';
import {
  bodyDigest,
  type HeldSnapshot,
  type SignedSnapshot,
  SNAPSHOT_FORM,
  type SnapshotBody,
  type SnapshotHead,
  snapshotBytes,
} from '../../domain/snapshot.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { KeptSnapshot, SnapshotFile } from '../../ports/snapshot-file.ts';

/** What the keeper is made of. */
export interface SnapshotKeeperOptions {
  readonly agent: string;
  /** The hub's key as it was told at the enrolment, 32 bytes. */
  readonly hubKey: Uint8Array;
  readonly verify: Verify;
  readonly file: SnapshotFile;
  readonly clock: Clock;
  /** Milliseconds that only grow while this process runs, whatever is done to the clock. */
  readonly monotonic: () => number;
  readonly log: Log;
}

/** A snapshot as it counts at this moment. */
export interface InForce {
  readonly seq: number;
  readonly body: SnapshotBody;
  /** Since the hub said it, by a time that nobody can put back. */
  readonly ageMs: number;
  readonly graceProtectedMs: number;
  readonly graceMs: number;
}
/** The newest snapshot of the hub, over restarts. */
export interface SnapshotKeeper {
  /** Takes in what the hub sent; an older one, another agent's, or one that its key has not signed changes nothing (T28, T29). */
  take(snapshot: SignedSnapshot, variableKey: Uint8Array | null): void;
  /** Null while there is none. */
  current(): InForce | null;
  /** Number of the newest, 0 for none. */
  seq(): number;
  /** The newest as the hub is told of it; null for none. */
  held(): HeldSnapshot | null;
  variableKey(): Uint8Array | null;
  /** Time as this agent counts it: that of the clock, never less than it once was. */
  now(): number;
  /** Resolves when there is one, or when so many milliseconds have passed. */
  first(withinMs: number): Promise<void>;
  /** Writes the time down, so that a restart does not win any. */
  close(): void;
}

/** How often the time is written down: so much of it can be won by whoever kills the agent and puts its clock back. */
const NOTE_TIME_MS = 60_000;

interface Known {
  readonly head: SnapshotHead;
  readonly body: SnapshotBody;
  readonly kept: KeptSnapshot;
}

/** Opens what was kept; what is no good is said and left out. */
export function openSnapshotKeeper(options: SnapshotKeeperOptions): SnapshotKeeper {
  const { clock, monotonic, log, file } = options;
  let known: Known | null = null;
  let latest = clock.now();
  let since = monotonic();
  let waiting: (() => void)[] = [];
  let cancelNote: () => void = () => {};

  const now = (): number => {
    const elapsed = Math.max(0, monotonic() - since);
    since += elapsed;
    latest = Math.max(latest + elapsed, clock.now());
    return latest;
  };

  function headOf(text: string, signature: Uint8Array): SnapshotHead | string {
    if (signature.length !== 64 || !options.verify(options.hubKey, snapshotBytes(text), signature))
      return 'the hub has not signed it';
    const head = JSON.parse(text) as SnapshotHead;
    if (head.form !== SNAPSHOT_FORM) return `it is of the form ${String(head.form)}, this agent reads ${SNAPSHOT_FORM}`;
    return head.agent === options.agent ? head : 'it is for another agent';
  }

  const keep = (next: KeptSnapshot): void => {
    try {
      file.save(next);
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'the snapshot could not be kept: it is lost with a restart');
    }
  };

  const kept = file.load();
  if (kept !== null) {
    latest = Math.max(latest, kept.latest);
    const head = headOf(kept.head, Uint8Array.from(Buffer.from(kept.signature, 'base64url')));
    if (typeof head === 'string' || bodyDigest(kept.body) !== head.body)
      log.warn({ reason: typeof head === 'string' ? head : 'its body is another' }, 'the kept snapshot is no good');
    else known = { head, body: JSON.parse(kept.body) as SnapshotBody, kept };
  }
  const noteTime = (): void => {
    if (known === null) return;
    known = { ...known, kept: { ...known.kept, latest: now() } };
    keep(known.kept);
  };
  const noteAgain = (): void => {
    noteTime();
    cancelNote = clock.after(NOTE_TIME_MS, noteAgain);
  };
  cancelNote = clock.after(NOTE_TIME_MS, noteAgain);

  const current = (): InForce | null => {
    if (known === null) return null;
    const { seq, graceProtectedMs, graceMs } = known.head;
    return { seq, body: known.body, ageMs: now() - known.kept.receivedAt, graceProtectedMs, graceMs };
  };

  return {
    take({ head: text, body, signature }, variableKey) {
      const head = headOf(text, signature);
      const refuse = (reason: string): void => log.error({ reason }, 'a snapshot of the hub was not taken');
      if (typeof head === 'string') return refuse(head);
      if (known !== null && head.seq <= known.head.seq)
        return refuse(`it has number ${head.seq}, and this agent has ${known.head.seq} already`);
      const same = known !== null && known.head.body === head.body ? known : null;
      const bodyText = body ?? same?.kept.body ?? null;
      if (bodyText === null || bodyDigest(bodyText) !== head.body) return refuse('its body is another than was signed');
      if (variableKey === null) return refuse('it came before the welcome');
      const at = now();
      const next: KeptSnapshot = {
        head: text,
        body: bodyText,
        signature: Buffer.from(signature).toString('base64url'),
        receivedAt: at,
        latest: at,
        variableKey: Buffer.from(variableKey).toString('base64url'),
      };
      known = { head, body: same?.body ?? (JSON.parse(bodyText) as SnapshotBody), kept: next };
      keep(next);
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    current,
    seq: () => known?.head.seq ?? 0,
    held() {
      const inForce = current();
      return inForce && { seq: inForce.seq, policy: inForce.body.policy.version, ageMs: inForce.ageMs };
    },
    variableKey: () => (known === null ? null : Uint8Array.from(Buffer.from(known.kept.variableKey, 'base64url'))),
    now,
    first(withinMs) {
      if (known !== null) return Promise.resolve();
      return new Promise((resolve) => {
        const cancel = clock.after(withinMs, resolve);
        waiting.push(() => {
          cancel();
          resolve();
        });
      });
    },
    close() {
      cancelNote();
      noteTime();
    },
  };
}
