import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { HoldState } from '../../agent/src/domain/hold.ts';
import type {
  AdmitAnswer,
  AdmitRequest,
  Gatekeeper,
  HoldReport,
  HoldStatus,
  HubPush,
  ParkedHold,
} from '../../agent/src/ports/gatekeeper.ts';

export interface MemoryHold {
  readonly id: number;
  jobId: number;
  digest: string;
  state: HoldState;
}

/** A hub in memory, as the agent sees one: holds with states, pushes, and a switch that takes it away. */
export interface MemoryGatekeeper extends Gatekeeper {
  readonly admitted: AdmitRequest[];
  readonly reports: HoldReport[];
  readonly syncs: (readonly ParkedHold[])[];
  readonly holds: Map<number, MemoryHold>;
  /** How jobs have to be recorded. */
  recording: 'record' | 'required' | null;
  /** What was recorded of each job, and up to where. */
  readonly recorded: Map<number, { next: number; text: string; readonly problems: string[] }>;
  /** Digests that pass at once. */
  readonly approved: Set<string>;
  /** What the next verdicts are instead. */
  verdict: ((request: AdmitRequest) => Partial<AdmitAnswer> | null) | null;
  /** Called before each call is answered: throws, waits or lets it be. */
  fault: ((call: 'admit' | 'report' | 'sync', detail: unknown) => Promise<void> | void) | null;
  key: Uint8Array | null;
  holdOf(jobId: number): MemoryHold;
  release(jobId: number, digest?: string): Promise<void>;
  push(type: HubPush['type'], jobId: number, more?: Partial<HubPush>): Promise<void>;
  /** Away: every call rejects, no push arrives. */
  disconnect(): void;
  connect(): void;
}

/** Starts connected unless told otherwise. */
export function memoryGatekeeper(options: { connected?: boolean } = {}): MemoryGatekeeper {
  let up = options.connected ?? true;
  let seq = 0;
  let pushed: (push: HubPush) => Promise<void> = async () => {};
  const welcomed: (() => void)[] = [];
  const away = (): never => {
    throw new HoldpointError('hub_unreachable', 'the hub is away');
  };
  const statusOf = (hold: MemoryHold | undefined, id: number, jobId: number): HoldStatus =>
    hold === undefined
      ? { hold: id, jobId, state: 'unknown', current: false }
      : { hold: hold.id, jobId, state: hold.state, current: hold.jobId === jobId };
  const self: MemoryGatekeeper = {
    admitted: [],
    reports: [],
    syncs: [],
    holds: new Map(),
    recording: null,
    recorded: new Map(),
    approved: new Set(),
    verdict: null,
    fault: null,
    key: new Uint8Array(32).fill(7),
    async admit(request) {
      if (!up) away();
      await self.fault?.('admit', request);
      self.admitted.push(request);
      if (request.monitor === true) {
        const passes = self.approved.has(request.digest);
        const outcome = passes ? ('pass' as const) : ('hold' as const);
        return { outcome, hold: null, approval: null, expires: null, reason: null, note: null, url: null };
      }
      const jobId = request.facts.job.id;
      let hold = [...self.holds.values()].find((each) => each.jobId === jobId);
      if (hold === undefined) {
        hold = { id: self.holds.size + 1, jobId, digest: request.digest, state: 'waiting_for_approval' };
        self.holds.set(hold.id, hold);
      }
      const passes = self.approved.has(request.digest);
      if (passes && hold.state === 'waiting_for_approval') hold.state = 'pending';
      const answer: AdmitAnswer = {
        outcome: passes ? 'pass' : 'hold',
        hold: hold.id,
        approval: passes ? 1 : null,
        expires: null,
        reason: null,
        note: passes ? null : `Hold ${hold.id} waits for approval of ${request.digest}`,
        url: `http://127.0.0.1/holds/${hold.id}`,
      };
      return { ...answer, ...self.verdict?.(request) };
    },
    async report(report) {
      if (!up) away();
      await self.fault?.('report', report);
      self.reports.push(report);
      if (report.hold === null) return [];
      const hold = self.holds.get(report.hold);
      if (hold !== undefined) {
        if (report.event === 'handed_out' && hold.state === 'pending') hold.state = 'running';
        if (report.event === 'undelivered' && hold.state === 'running') hold.state = 'pending';
        if (report.event === 'unconfirmed' && hold.state === 'running') hold.state = 'failed';
        if (report.event === 'canceled') hold.state = 'canceled';
        if (report.event === 'ended') hold.state = report.detail.status ?? 'failed';
      }
      const recording = self.recording === null ? {} : { recording: self.recording };
      return [{ ...statusOf(hold, report.hold, report.jobId), ...recording }];
    },
    async record({ jobId, offset, size, text, problem }) {
      if (!up) away();
      const known = self.recorded.get(jobId) ?? { next: 0, text: '', problems: [] };
      self.recorded.set(jobId, known);
      if (problem === null && offset !== known.next) return { next: known.next, problem: null };
      known.next = offset + size;
      known.text += problem === null ? text : `[${problem}]${text}`;
      if (problem !== null) known.problems.push(problem);
      return { next: known.next, problem: self.recording === 'required' ? problem : null };
    },
    async sync(holds) {
      if (!up) away();
      await self.fault?.('sync', holds);
      self.syncs.push(holds);
      return holds.map(({ hold, jobId }) => statusOf(self.holds.get(hold), hold, jobId));
    },
    variableKey: () => self.key,
    onPush(listener) {
      pushed = listener;
    },
    onReveal() {},
    onConnect(listener) {
      welcomed.push(listener);
    },
    connected: () => up,
    async close() {},
    holdOf(jobId) {
      const hold = [...self.holds.values()].find((each) => each.jobId === jobId);
      if (hold === undefined)
        throw new Error(`no hold of job ${jobId}; there are ${[...self.holds.values()].map((h) => h.jobId)}`);
      return hold;
    },
    async push(type, jobId, more = {}) {
      const { id: hold, digest } = self.holdOf(jobId);
      await pushed({ type, seq: ++seq, hold, jobId, digest, reason: null, note: null, ...more });
    },
    async release(jobId, digest) {
      self.holdOf(jobId).state = 'pending';
      await self.push('release', jobId, digest === undefined ? {} : { digest });
    },
    disconnect() {
      up = false;
    },
    connect() {
      up = true;
      for (const listener of welcomed) listener();
    },
  };
  return self;
}
