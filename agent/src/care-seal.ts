/** Composition of the rotation of an agent's seal key: everything that it sealed is sealed anew, in whatever order it is interrupted. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Kept } from './care.ts';
import type { AgentConfig } from './config/load.ts';
import { HoldpointError } from './domain/errors.ts';
import type { JsonObject } from './domain/json.ts';
import type { Log } from './ports/log.ts';
import type { KeyOfStore, Store } from './ports/store.ts';
import { placeOf } from './store-place.ts';
import { openParkingLot } from './stores/parking-lot.ts';
import { openStoreAt } from './stores/places.ts';
import { openReceiptKeep } from './stores/receipts.ts';
import { openRunnerTokens } from './stores/runner-tokens.ts';
import { makeNextKey, nextKeyFile, openKeyFile, takeNextKey } from './system/key-file.ts';
import { eitherSeal, sealUnder } from './system/seal.ts';
import { namesIn } from './system/state-files.ts';

/** Called before each step of a rotation, by its name; tests stop there as a crash would. */
export type OnStep = (step: string) => void;
export const NO_STEPS: OnStep = () => {};

const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

/** What a rotation is given. */
export interface Rotation {
  readonly config: Kept;
  readonly now: number;
  readonly step: OnStep;
}
export type Lot = Awaited<ReturnType<typeof openParkingLot>>;

/** The parking lot, so that no agent starts meanwhile. Throws `wrong_state` while one runs; a dry run does not mind. */
export async function lockedLot(config: AgentConfig, dryRun: boolean): Promise<Lot | null> {
  if (dryRun) return null;

  try {
    return await openParkingLot({ dir: join(config.stateDir, 'parking'), seal: sealOf(config), log: QUIET });
  } catch (error) {
    if (!(error instanceof HoldpointError) || error.code !== 'bad_config') throw error;
    throw new HoldpointError(
      'wrong_state',
      `${error.message}: stop it first ("systemctl stop holdpoint-agent"); parked jobs stay parked`,
      { cause: error },
    );
  }
}

/** How what is sealed can be opened, in the middle of a rotation too. */
function sealOf(config: AgentConfig) {
  const path = config.keys.seal;
  const former = sealUnder(openKeyFile(path, 'seal key', 'keys.seal'));
  if (!existsSync(nextKeyFile(path))) return former;
  return eitherSeal(sealUnder(makeNextKey(path, 'seal key', 'keys.seal')), former);
}

/** Opens the store of an agent or a hub for one piece of work. */
export async function withStore<T>(config: Kept, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStoreAt(placeOf(config.hub.store));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Writes into the audit what was done to a key by hand. */
export async function note(
  store: Store,
  at: number,
  event: string,
  detail: JsonObject,
  /** The key that the store is written with from this row on. */
  next: { readonly kind: KeyOfStore; readonly fingerprint: string } | null = null,
): Promise<void> {
  const none = { hold: null, review: null, approval: null, digest: null, policy: null };
  const said = { ...detail, by: userInfo().username };
  await store.write(async (tx) => {
    await tx.audit({ at, actor: 'system', address: null, event, ...none, detail: said });
    // Hubs that have the old one are refused from here on.
    if (next !== null) await tx.putKeyCheck(next.kind, next.fingerprint);
  });
}

export const sealedFiles = ({ stateDir }: AgentConfig): readonly string[] =>
  ['parking', 'runner-tokens', 'receipts'].flatMap((folder) =>
    namesIn(join(stateDir, folder)).filter((name) => /\.(?:job|token|receipt)$/.test(name)),
  );

/**
 * Seals everything with the next key, then makes that the key. Whatever interrupts it, each file is whole under one of the
 * two, and both are there until the last file is under the next: begun again it ends as if nothing had been.
 */
export async function finishSealRotation({
  config,
  now,
  step,
}: Rotation & { readonly config: AgentConfig }): Promise<number> {
  const { stateDir, keys } = config;
  const seal = sealOf(config);
  const lot = await openParkingLot({ dir: join(stateDir, 'parking'), seal, log: QUIET });
  let sealed = 0;
  try {
    const { records } = await lot.load();
    for (const record of records) {
      step(`job ${record.job.jobId}`);
      await lot.put(record);
      sealed += 1;
    }
    const keep = openRunnerTokens({ dir: join(stateDir, 'runner-tokens'), seal });
    let named = 0;
    for (const { name } of config.runners) {
      const record = await keep.load(name);
      if (record === null) continue;
      step(`token of ${name}`);
      await keep.save(name, record);
      named += 1;
    }
    const there = namesIn(join(stateDir, 'runner-tokens')).filter((name) => name.endsWith('.token')).length;
    if (there > named) {
      throw new HoldpointError(
        'wrong_state',
        `${there - named} tokens in ${join(stateDir, 'runner-tokens')} are of runners that agent.yml does not name: name them, or move their files away; nothing is lost, and the same command goes on`,
      );
    }
    sealed += named;
    if (namesIn(join(stateDir, 'receipts')).length > 0) {
      const receipts = openReceiptKeep({ dir: join(stateDir, 'receipts'), seal });
      for (const jobId of await receipts.ids()) {
        step(`receipt of ${jobId}`);
        const receipt = await receipts.get(jobId);
        if (receipt !== null) await receipts.put(receipt);
        sealed += 1;
      }
    }
    step('audit');
    // An agent whose hub is elsewhere has no store to write it into.
    if (config.remote === null)
      await withStore(config, (store) => note(store, now, 'seal_key_rotated', { files: sealed }));
    step('take');
    takeNextKey(keys.seal);
    return sealed;
  } finally {
    await lot.close();
  }
}
