/** Composition of the commands that take care of the state of an agent, or of a hub alone: backup, restore. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { type AuditKeeper, verifyStore, witnessedHead } from './app/checkpoint.ts';
import { noteRestored } from './app/restored.ts';
import type { BackupReport, RestoreReport } from './cli/parts.ts';
import type { AgentConfig, HubConfig } from './config/load.ts';
import { BACKUP_FORM, type BackupManifest, type LastBackup, readManifest } from './domain/backup.ts';
import { HoldpointError } from './domain/errors.ts';
import { placeOf } from './store-place.ts';
import { takeLock } from './stores/folder-lock.ts';
import { SCHEMA_VERSION } from './stores/migrate.ts';
import { copyStore, openStoreAt, type StorePlace, snapshotOf } from './stores/places.ts';
import { openStore } from './stores/store.ts';
import { auditWitness } from './system/audit-witness.ts';
import { openHubKey, verifySignature } from './system/hub-key.ts';
import { beginRestore, endRestore } from './system/restored-state.ts';
import { openStateDir, writeWhole } from './system/state-dir.ts';
import {
  copyFile,
  folderBeside,
  isNoState,
  namesIn,
  requireOwner,
  sha256Of,
  syncFolder,
} from './system/state-files.ts';
import { VERSION } from './version.ts';

const MANIFEST = 'backup.json';
const STORE = 'hub.sqlite';
const HEAD = 'audit-head.json';
const CURSOR = 'link-cursor';
const KEYS = ['variable', 'seal', 'hub', 'recordings'] as const;
/** Made by the first start that can record: a host that was never started since has none. */
const MAY_LACK: readonly string[] = ['recordings'];
/** What only an agent has. */
const OF_AN_AGENT = /^(?:parking|runner-tokens)\/|^keys\/seal\.key$/;

/** Whose state it is: an agent's with its own hub, or that of a hub alone. */
export type Kept = AgentConfig | HubConfig;

/** The hub elsewhere that decides for it; null for whoever has one. */
export const remoteOf = (config: Kept): AgentConfig['remote'] => ('remote' in config ? config.remote : null);

/** Paths of the keys that it has, by kind. */
export function keyFilesOf(config: Kept): readonly (readonly [(typeof KEYS)[number], string])[] {
  const files: Partial<Record<(typeof KEYS)[number], string>> = config.keys;
  return KEYS.flatMap((kind) => (files[kind] === undefined ? [] : [[kind, files[kind]] as const]));
}

/** Where the store is. Throws `wrong_state` for an agent whose hub is elsewhere: what matters is there. */
function storeOf(config: Kept): StorePlace {
  const remote = remoteOf(config);
  if (remote === null) return placeOf(config.hub.store);
  throw new HoldpointError(
    'wrong_state',
    `the hub of this agent is at ${remote.url}: that one is to be backed up. What lies in ${config.stateDir} is worth as long as its jobs wait; an agent that lost it enrols again`,
  );
}

/** Takes the lock of the agent, or of the hub alone; null while it runs. */
export async function lockOf(config: Kept): Promise<(() => Promise<void>) | null> {
  const folder = 'runners' in config ? join(config.stateDir, 'parking') : config.stateDir;
  if (!existsSync(folder)) return async () => {};
  try {
    return await takeLock(join(folder, 'lock'));
  } catch (error) {
    if (error instanceof HoldpointError && error.code === 'bad_config') return null;
    throw error;
  }
}

const keeperOf = (config: Kept, witness: string): AuditKeeper => ({
  signer: openHubKey(config.keys.hub),
  verify: verifySignature,
  witness: auditWitness(witness),
});

/** Files below a folder, by path. */
function filesIn(folder: string): readonly string[] {
  const found = namesIn(folder).flatMap((name) => {
    const below = join(folder, name);
    return ['parking', 'runner-tokens', 'keys'].includes(name)
      ? namesIn(below).map((each) => join(below, each))
      : [below];
  });
  return found.map((path) => relative(folder, path));
}

/**
 * Copies the whole state of an agent, running or not, into a new folder. First what the store is the truth about, then the
 * store: nothing in the copy is newer than what the store knows of it. The copy is then read again and its audit verified.
 */
export async function backup(
  config: Kept,
  options: { readonly out: string; readonly keys: boolean; readonly now: number },
): Promise<BackupReport> {
  const place = storeOf(config);
  const { stateDir } = config;
  requireOwner(stateDir);
  if (existsSync(options.out))
    throw new HoldpointError('bad_input', `${options.out} is there already: name a new folder`);
  const partial = folderBeside(options.out);
  try {
    const release = await lockOf(config);
    let schema: number;
    try {
      copyFile(join(stateDir, HEAD), join(partial, HEAD));
      copyFile(join(stateDir, CURSOR), join(partial, CURSOR));
      for (const folder of ['parking', 'runner-tokens']) {
        for (const name of namesIn(join(stateDir, folder))) {
          if (isNoState(name) || name === 'damaged') continue;
          copyFile(join(stateDir, folder, name), join(partial, folder, name));
        }
      }
      schema = await snapshotOf(place, join(partial, STORE));
    } finally {
      await release?.();
    }
    if (schema !== SCHEMA_VERSION) {
      throw new HoldpointError(
        'wrong_state',
        `the store has schema ${schema}, this program writes ${SCHEMA_VERSION}: make the backup with the program that runs, then upgrade`,
      );
    }
    const verified = await verifiedCopy(config, partial);
    if (options.keys) {
      for (const [key, path] of keyFilesOf(config)) {
        if (!copyFile(path, join(partial, 'keys', `${key}.key`)) && !MAY_LACK.includes(key))
          throw new HoldpointError(
            'bad_config',
            `the ${key} key ${path} is not there: nothing can be restored without`,
          );
      }
    }
    const files = filesIn(partial).map((path) => ({ path, sha256: sha256Of(join(partial, path)) }));
    const { at, running } = { at: options.now, running: release === null };
    const manifest: BackupManifest = {
      form: BACKUP_FORM,
      version: VERSION,
      schema,
      at,
      running,
      keys: options.keys,
      audit: verified.audit,
      files,
    };
    writeWhole(join(partial, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    renameSync(partial, options.out);
    syncFolder(resolve(options.out, '..'));
    const last: LastBackup = { at, out: options.out, seq: verified.audit.seq, keys: options.keys };
    writeWhole(join(stateDir, 'last-backup.json'), `${JSON.stringify({ ...last, at: new Date(at).toISOString() })}\n`);
    const parked = files.filter(({ path }) => path.startsWith('parking/')).length;
    return { out: options.out, at, running, keys: options.keys, parked, audit: verified.audit, fault: verified.fault };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

/** The audit in the copy, read from its first row to its last and held against what the hub has signed (T28). */
async function verifiedCopy(config: Kept, folder: string) {
  const store = await openStore({ path: join(folder, STORE) });
  try {
    const report = await verifyStore({ store }, keeperOf(config, join(folder, HEAD)));
    return { audit: await store.auditHead(), fault: report.ok ? null : report.message };
  } finally {
    await store.close();
  }
}

function requireEmpty(config: Kept, place: StorePlace, withKeys: boolean): void {
  const { stateDir } = config;
  const keys = keyFilesOf(config);
  const isKey = (path: string): boolean => keys.some(([, file]) => file === path);
  const there = namesIn(stateDir)
    .map((name) => join(stateDir, name))
    .filter((path) => !isKey(path));
  if (there.length > 0) {
    throw new HoldpointError(
      'wrong_state',
      `state_dir ${stateDir} is not empty (${there[0]}): move it away first, its audit-head.json is worth keeping`,
    );
  }
  if (place.kind === 'sqlite' && existsSync(place.path))
    throw new HoldpointError('wrong_state', `store ${place.path} is there already: move it away first`);
  for (const [key, path] of keys) {
    if (withKeys === existsSync(path) && (withKeys || !MAY_LACK.includes(key))) {
      const why = withKeys
        ? 'is there, and the backup has one of its own: move it away'
        : 'is missing, and the backup has none: put it there';
      throw new HoldpointError('wrong_state', `the ${key} key ${path} ${why} first`);
    }
  }
}

/** Fills an empty database with the store of a backup, by a copy of it: a backup is never written to. */
async function fillDatabase(from: string, place: StorePlace, beside: string): Promise<void> {
  const folder = folderBeside(beside);
  try {
    const path = join(folder, STORE);
    copyFile(join(from, STORE), path);
    await copyStore({ kind: 'sqlite', path }, place);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The manifest of a backup whose every file is what it was when it was written. Throws `bad_input`. */
function readBackup(from: string): BackupManifest {
  const path = join(from, MANIFEST);
  if (!existsSync(path)) throw new HoldpointError('not_found', `${path} is not there: name the folder of a backup`);
  const manifest = readManifest(readFileSync(path, 'utf8'), path, SCHEMA_VERSION);
  for (const { path: name, sha256 } of manifest.files) {
    const file = join(from, name);
    if (!existsSync(file)) throw new HoldpointError('bad_input', `${file} is missing: the backup is not whole`);
    if (sha256Of(file) !== sha256)
      throw new HoldpointError(
        'bad_input',
        `${file} is not what was written: it was changed or is damaged; take another backup`,
      );
  }
  const known = new Set([MANIFEST, ...manifest.files.map((file) => file.path)]);
  const foreign = filesIn(from).find((name) => !known.has(name));
  if (foreign !== undefined)
    throw new HoldpointError('bad_input', `${join(from, foreign)} is not of this backup: remove it`);
  return manifest;
}

/** Puts a backup into an empty state_dir, verifies its audit and writes into it what happened. */
export async function restore(
  config: Kept,
  options: {
    readonly from: string;
    /** A newer signed head of the same audit: what was lost since is told from it. */
    readonly witness: string | null;
    readonly revokeAllTokens: boolean;
    readonly giveUpParked: boolean;
    readonly now: number;
  },
): Promise<RestoreReport> {
  const place = storeOf(config);
  const { stateDir } = config;
  const manifest = readBackup(options.from);
  if (!('runners' in config) && manifest.files.some(({ path }) => OF_AN_AGENT.test(path)))
    throw new HoldpointError(
      'bad_input',
      `${options.from} is the backup of an agent with parked jobs: restore it without --hub, or move its store with "holdpoint store copy"`,
    );
  openStateDir(stateDir);
  requireOwner(stateDir);
  requireEmpty(config, place, manifest.keys);
  // First the database, which may refuse: then nothing was begun here.
  if (place.kind === 'postgres') await fillDatabase(options.from, place, stateDir);
  beginRestore(stateDir);
  const places: Readonly<Record<string, string | null>> = {
    [STORE]: place.kind === 'sqlite' ? place.path : null,
    ...Object.fromEntries(keyFilesOf(config).map(([key, path]) => [`keys/${key}.key`, path])),
  };
  for (const { path } of manifest.files) {
    const to = path in places ? places[path] : join(stateDir, path);
    if (to !== null && to !== undefined) copyFile(join(options.from, path), to);
  }
  const keeper = keeperOf(config, join(stateDir, HEAD));
  const store = await openStoreAt(place);
  try {
    const report = await verifyStore({ store }, keeper);
    const end = await store.auditHead();
    if (!report.ok)
      throw new HoldpointError('audit_broken', `the audit in the backup does not verify: ${report.message}`);
    if (end.seq !== manifest.audit.seq || end.hash !== manifest.audit.hash)
      throw new HoldpointError('audit_broken', 'the audit in the backup ends elsewhere than its manifest says');
    const later = options.witness === null ? null : laterHead(config, options.witness);
    const lost = later === null || later.seq <= end.seq ? null : { seq: later.seq, hash: later.hash, signed: later.at };
    const { revoked } = await noteRestored(
      store,
      { at: manifest.at, ...end, lost, by: userInfo().username },
      { revoke: options.revokeAllTokens, now: options.now },
    );
    const valid = (await store.tokens(null, { after: 0, limit: 100_000 })).filter(
      (token) => token.owner !== null && token.revokedAt === null && token.expiresAt > options.now,
    ).length;
    const giveUp = manifest.running || options.giveUpParked;
    const time = new Date(manifest.at).toISOString();
    endRestore(stateDir, giveUp ? `this agent was restored from a backup of ${time}, and it may have run since` : null);
    const parked = manifest.files.filter(({ path }) => path.startsWith('parking/')).length;
    const witnessed = options.witness !== null;
    return {
      at: manifest.at,
      audit: end,
      lostRows: lost === null ? (witnessed ? 0 : null) : lost.seq - end.seq,
      revoked,
      valid,
      parked,
      givenUp: giveUp,
    };
  } finally {
    await store.close();
  }
}

function laterHead(config: Kept, path: string) {
  const head = witnessedHead(keeperOf(config, path));
  if (head !== null) return head;
  throw new HoldpointError(
    'bad_input',
    `--witness: ${path} is no head of this hub's audit: wanted the audit-head.json of the state_dir that was lost`,
  );
}
