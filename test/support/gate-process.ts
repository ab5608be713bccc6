/**
 * An agent in a process of its own, so that it can be killed at a chosen step. The hub is in memory and keeps its holds in
 * a file, as the real one keeps them in its store. Argument: a JSON object; orders and answers go over the IPC channel.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ParkingLot } from '../../agent/src/ports/parking-lot.ts';
import { createAgent } from '../../agent/src/runners/gitlab/agent.ts';
import { jobIdentity, lowerTimeout, readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { openParkingLot } from '../../agent/src/stores/parking-lot.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { type MemoryHold, memoryGatekeeper } from './memory-gatekeeper.ts';

export interface GateProcessConfig {
  readonly gitlabUrl: string;
  readonly token: string;
  readonly dir: string;
  readonly port: number;
  readonly killAt: string | null;
  readonly passes: boolean;
  readonly handoverConfirmMs: number;
}

const config = JSON.parse(process.argv[2] ?? '{}') as GateProcessConfig;

function step(name: string): void {
  if (name === config.killAt) process.kill(process.pid, 'SIGKILL');
}

const file = join(config.dir, 'hub.json');
const gatekeeper = memoryGatekeeper();
if (existsSync(file)) {
  for (const hold of JSON.parse(readFileSync(file, 'utf8')) as MemoryHold[]) gatekeeper.holds.set(hold.id, hold);
}
const save = (): void => writeFileSync(file, JSON.stringify([...gatekeeper.holds.values()]));
gatekeeper.verdict = (request) => {
  if (!config.passes) return null;
  const hold = gatekeeper.holdOf(request.facts.job.id);
  if (hold.state === 'waiting_for_approval') hold.state = 'pending';
  return { outcome: 'pass', approval: 1, note: null };
};
const { admit, report, sync } = gatekeeper;
gatekeeper.admit = async (request) => {
  step('before admit');
  const answer = await admit(request);
  save();
  step('after admit');
  return answer;
};
gatekeeper.report = async (said) => {
  step(`before report ${said.event}`);
  const answer = await report(said);
  save();
  step(`after report ${said.event}`);
  return answer;
};
gatekeeper.sync = async (holds) => {
  step('before sync');
  return sync(holds);
};

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const lot = await openParkingLot({
  dir: join(config.dir, 'lot'),
  seal: sealUnder(openKeyFile(join(config.dir, 'seal.key'), 'seal key', 'keys.seal')),
  log: silent,
});
const watched: ParkingLot = {
  async put(record) {
    step(`before ${record.job.state} is on disk`);
    await lot.put(record);
    step(`after ${record.job.state} is on disk`);
  },
  async get(jobId) {
    step('before the stored bytes are read');
    return lot.get(jobId);
  },
  async remove(jobId) {
    step('before the file is removed');
    await lot.remove(jobId);
    step('after the file is removed');
  },
  load: () => lot.load(),
  setAside: (jobId) => lot.setAside(jobId),
  close: () => lot.close(),
};

const agent = createAgent({
  gitlabUrl: config.gitlabUrl,
  runners: [{ name: 'builder', token: config.token, protected: true }],
  parking: {
    maxHolds: 100,
    maxHoldsPerProject: 100,
    maxHoldsPerTrigger: 100,
    liveMs: 3_600_000,
    liveFloorMs: 600_000,
    handoverConfirmMs: config.handoverConfirmMs,
    heartbeatMs: 60_000,
  },
  gatekeeper,
  parkingLot: watched,
  clock: createClock(),
  log: silent,
  payloads: {
    readPayload(bytes, options) {
      step('before the payload is read');
      return readPayload(bytes, options);
    },
    jobIdentity(bytes) {
      step('before anything is known');
      return jobIdentity(bytes);
    },
    lowerTimeout,
    jwksVerifier,
  },
});

process.on('message', (message: { release?: number; counts?: true }) => {
  if (message.release !== undefined) void gatekeeper.release(message.release).then(save);
  if (message.counts) process.send?.({ counts: agent.counts(), holds: [...gatekeeper.holds.values()] });
});
await agent.listen('127.0.0.1', config.port);
process.send?.({ ready: true });
