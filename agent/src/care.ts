/** Composition of the commands that take care of an agent's state: backup, restore. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { type AuditKeeper, verifyStore, witnessedHead } from './app/checkpoint.ts';
import { noteRestored } from './app/restored.ts';
import type { BackupReport, RestoreReport } from './cli/parts.ts';
import type { AgentConfig } from './config/load.ts';
import { BACKUP_FORM, type BackupManifest, type LastBackup, readManifest } from './domain/backup.ts';
import { HoldpointError } from './domain/errors.ts';
import { takeLock } from './stores/folder-lock.ts';
import { SCHEMA_VERSION } from './stores/migrate.ts';
import { openStore, snapshot } from './stores/store.ts';
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
const KEYS = ['variable', 'seal', 'hub'] as const;

/** Path of the store. Throws `wrong_state` for an agent whose hub or whose store is elsewhere: what matters is there. */
function storeOf({ remote, stateDir, hub }: AgentConfig): string {
  if (remote === null && hub.store.kind === 'sqlite') return hub.store.path;
  if (remote === null) {
    throw new HoldpointError(
      'wrong_state',
      'the store is in PostgreSQL: back that up with pg_dump, and the keys of this host beside it',
    );
  }
  throw new HoldpointError(
    'wrong_state',
    `the hub of this agent is at ${remote.url}: that one is to be backed up. What lies in ${stateDir} is worth as long as its jobs wait; an agent that lost it enrols again`,
  );
}

/** Takes the lock of the agent; null while one runs. */
async function lockOf({ stateDir }: AgentConfig): Promise<(() => Promise<void>) | null> {
  if (!existsSync(join(stateDir, 'parking'))) return async () => {};
  try {
    return await takeLock(join(stateDir, 'parking', 'lock'));
  } catch (error) {
    if (error instanceof HoldpointError && error.code === 'bad_config') return null;
    throw error;
  }
}

const keeperOf = (config: AgentConfig, witness: string): AuditKeeper => ({
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
  config: AgentConfig,
  options: { readonly out: string; readonly keys: boolean; readonly now: number },
): Promise<BackupReport> {
  const storePath = storeOf(config);
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
      schema = await snapshot(storePath, join(partial, STORE));
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
      for (const key of KEYS) {
        if (!copyFile(config.keys[key], join(partial, 'keys', `${key}.key`)))
          throw new HoldpointError(
            'bad_config',
            `the ${key} key ${config.keys[key]} is not there: nothing can be restored without`,
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
async function verifiedCopy(config: AgentConfig, folder: string) {
  const store = await openStore({ path: join(folder, STORE) });
  try {
    const report = await verifyStore({ store }, keeperOf(config, join(folder, HEAD)));
    return { audit: await store.auditHead(), fault: report.ok ? null : report.message };
  } finally {
    await store.close();
  }
}

function requireEmpty(config: AgentConfig, storePath: string, withKeys: boolean): void {
  const { stateDir, keys } = config;
  const isKey = (path: string): boolean => Object.values(keys).includes(path);
  const there = namesIn(stateDir)
    .map((name) => join(stateDir, name))
    .filter((path) => !isKey(path));
  if (there.length > 0) {
    throw new HoldpointError(
      'wrong_state',
      `state_dir ${stateDir} is not empty (${there[0]}): move it away first, its audit-head.json is worth keeping`,
    );
  }
  if (existsSync(storePath))
    throw new HoldpointError('wrong_state', `store ${storePath} is there already: move it away first`);
  for (const key of KEYS) {
    if (withKeys === existsSync(keys[key])) {
      const why = withKeys
        ? 'is there, and the backup has one of its own: move it away'
        : 'is missing, and the backup has none: put it there';
      throw new HoldpointError('wrong_state', `the ${key} key ${keys[key]} ${why} first`);
    }
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
  config: AgentConfig,
  options: {
    readonly from: string;
    /** A newer signed head of the same audit: what was lost since is told from it. */
    readonly witness: string | null;
    readonly revokeAllTokens: boolean;
    readonly giveUpParked: boolean;
    readonly now: number;
  },
): Promise<RestoreReport> {
  const storePath = storeOf(config);
  const { stateDir } = config;
  const manifest = readBackup(options.from);
  openStateDir(stateDir);
  requireOwner(stateDir);
  requireEmpty(config, storePath, manifest.keys);
  beginRestore(stateDir);
  const places: Readonly<Record<string, string>> = {
    [STORE]: storePath,
    ...Object.fromEntries(KEYS.map((key) => [`keys/${key}.key`, config.keys[key]])),
  };
  for (const { path } of manifest.files) copyFile(join(options.from, path), places[path] ?? join(stateDir, path));
  const keeper = keeperOf(config, join(stateDir, HEAD));
  const store = await openStore({ path: storePath });
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

function laterHead(config: AgentConfig, path: string) {
  const head = witnessedHead(keeperOf(config, path));
  if (head !== null) return head;
  throw new HoldpointError(
    'bad_input',
    `--witness: ${path} is no head of this hub's audit: wanted the audit-head.json of the state_dir that was lost`,
  );
}
