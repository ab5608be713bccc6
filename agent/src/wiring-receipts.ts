/** Receipts of the agent: key, folder, desk and socket put together. */
import { join } from 'node:path';
import { openReceiptDesk, type ReceiptDesk } from './app/receipts/desk.ts';
import { receiptTeller } from './app/receipts/tell.ts';
import type { NamedRights, ReceiptsConfig } from './config/receipts.ts';
import type { Clock } from './ports/clock.ts';
import type { Gatekeeper } from './ports/gatekeeper.ts';
import type { Log } from './ports/log.ts';
import type { AgentMeter } from './ports/meter.ts';
import type { Seal } from './ports/seal.ts';
import { jobReader } from './runners/gitlab/job-response.ts';
import { openReceiptKeep } from './stores/receipts.ts';
import { hubKeyOf, verifySignature } from './system/hub-key.ts';
import { openKeyFile } from './system/key-file.ts';
import { openReceiptSocket } from './system/receipt-socket.ts';
import { numbersOf } from './system/user-numbers.ts';

export interface ReceiptDeps {
  readonly config: ReceiptsConfig;
  readonly stateDir: string;
  readonly seal: Seal;
  readonly gatekeeper: Gatekeeper;
  readonly meter: AgentMeter;
  readonly clock: Clock;
  readonly log: Log;
  /** True where the state was put back from a copy: nobody knows what was spent since. */
  readonly restored: boolean;
}

/** The desk of this host, served on its socket. `stops` are to be called in reverse order. */
export async function openReceipts(deps: ReceiptDeps, stops: (() => Promise<void>)[]): Promise<ReceiptDesk> {
  const { config, stateDir, clock, log, gatekeeper, meter } = deps;
  const numbers = ({ users, groups }: NamedRights, option: string) => ({
    uids: numbersOf(users, 'user', option),
    gids: numbersOf(groups, 'group', option),
  });
  const group =
    config.group === null ? [] : [...numbersOf([config.group.replace(/^@/, '')], 'group', 'receipts.group')];
  const rights = {
    gid: group[0] ?? null,
    spend: numbers(config.spend, 'receipts.users'),
    check: numbers(config.check, 'receipts.check_users'),
  };
  const teller = receiptTeller({ gatekeeper, clock, log });
  stops.push(async () => teller.close());
  const desk = openReceiptDesk({
    keep: openReceiptKeep({ dir: join(stateDir, 'receipts'), seal: deps.seal }),
    signer: hubKeyOf(openKeyFile(join(stateDir, 'receipt.key'), 'key of receipts', 'state_dir')),
    verify: verifySignature,
    jobs: jobReader,
    validMs: config.validMs,
    clock,
    log,
    trouble: (trouble) => teller.tell(trouble),
    count: (outcome) => meter.receipt(outcome),
  });
  stops.push(() => desk.close());
  if (deps.restored) await desk.forfeit();
  const socket = await openReceiptSocket({ path: config.socket, mode: config.mode, ...rights, desk, log });
  stops.push(() => socket.close());
  log.info({ socket: config.socket }, 'receipts are written at each hand-over, and asked for here');
  return desk;
}
