import { offlineGatekeeper } from '../../agent/src/app/offline/gatekeeper.ts';
import { openSnapshotKeeper, type SnapshotKeeper } from '../../agent/src/app/offline/snapshot-keeper.ts';
import { snapshotBodies } from '../../agent/src/app/snapshot.ts';
import type { Signer } from '../../agent/src/domain/dsse.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { HostBreakGlass } from '../../agent/src/domain/host-break-glass.ts';
import { bodyDigest, type SignedSnapshot, SNAPSHOT_FORM, signSnapshot } from '../../agent/src/domain/snapshot.ts';
import type { AdmitRequest, Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import type { KeptSnapshot } from '../../agent/src/ports/snapshot-file.ts';
import { verifySignature } from '../../agent/src/system/hub-key.ts';
import { auditKeeper } from './audit-keeper.ts';
import { arrived, HOUR, hubLog, VARIABLE_KEY, type World } from './hub-world.ts';

/** An agent whose hub can be taken away: the real keeper and the real decision, with time that a test turns. */
export interface OfflineAgent {
  readonly snapshots: SnapshotKeeper;
  readonly log: ReturnType<typeof hubLog>;
  /** `approved`, `tolerated` or `break_glass`, or why the job waits. */
  asks(request: AdmitRequest): Promise<string>;
  /** What the hub would send now. */
  snapshot(more?: { seq?: number; agent?: string; signer?: Signer }): Promise<SignedSnapshot>;
  /** Takes in what the hub would send now. */
  refresh(): Promise<void>;
  /** Starts the agent again on what it has kept. */
  restart(): void;
  /** What the process and the clock of the host say, apart from the hub's. */
  readonly time: { clock: number; monotonic: number };
  glass: HostBreakGlass | null;
}

/** The agent of a world, with the first snapshot still to come. */
export function offlineAgent(world: World): OfflineAgent {
  const log = hubLog();
  const time = { clock: world.clock.now(), monotonic: 0 };
  let kept: KeptSnapshot | null = null;
  let seq = 0;
  const link = {
    admit: async () => {
      throw new HoldpointError('hub_unreachable', 'no link to the hub');
    },
    variableKey: () => VARIABLE_KEY,
    connected: () => false,
  } as unknown as Gatekeeper;
  const open = () => {
    const snapshots = openSnapshotKeeper({
      agent: 'embedded',
      hubKey: auditKeeper().signer.publicKey,
      verify: verifySignature,
      file: {
        load: () => kept,
        save: (next) => {
          kept = next;
        },
      },
      clock: { now: () => time.clock, after: () => () => {} },
      monotonic: () => time.monotonic,
      log,
    });
    return { snapshots, gate: offlineGatekeeper({ link, snapshots, breakGlass: () => self.glass, log }) };
  };
  const self: OfflineAgent & { now: ReturnType<typeof open> } = {
    log,
    time,
    glass: null,
    now: undefined as never,
    get snapshots() {
      return self.now.snapshots;
    },
    async asks(request) {
      try {
        return (await self.now.gate.admit(request)).offline?.kind ?? 'no ground';
      } catch (error) {
        return (error as Error).message;
      }
    },
    async snapshot({ seq: number = ++seq, agent = 'embedded', signer = auditKeeper().signer } = {}) {
      await arrived(world, 'embedded');
      const body = JSON.stringify(await (await snapshotBodies(world.context, ['embedded'], new Map()))('embedded'));
      const head = {
        form: SNAPSHOT_FORM,
        agent,
        seq: number,
        issued: world.clock.now(),
        graceProtectedMs: HOUR,
        graceMs: 24 * HOUR,
        body: bodyDigest(body),
      } as const;
      return { ...signSnapshot(signer, head), body };
    },
    async refresh() {
      self.snapshots.take(await self.snapshot(), VARIABLE_KEY);
    },
    restart() {
      time.monotonic = 0;
      self.now = open();
    },
  };
  self.now = open();
  return self;
}
