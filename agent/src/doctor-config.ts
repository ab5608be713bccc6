/** What `doctor` reads of a configuration, and where its files are. */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import type { HubConfig } from './config/load.ts';
import { ConfigError, problemLine } from './config/problems.ts';
import { readSecretFile } from './config/secret-file.ts';
import type { ConfigSources } from './config/sources.ts';
import type { RunnerFileLook } from './domain/doctor/observation.ts';
import type { WantedFile } from './system/host/files.ts';

/** A configuration as far as this user may read it. */
export interface Lenient<C extends HubConfig> {
  readonly config: C | null;
  /** Files with secrets that this user may not read. */
  readonly hidden: readonly string[];
  readonly faults: readonly string[];
  /** Without a configuration: this user may not read the file itself. */
  readonly isClosed: boolean;
}

const CLOSED = 'this user may not read it';

function isClosed(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** The configuration although a secret of it cannot be read or stands open to others: what else is wrong is looked at all the same. */
export function readLeniently<C extends HubConfig>(
  sources: ConfigSources,
  load: (sources: ConfigSources) => C,
): Lenient<C> {
  const hidden: string[] = [];
  const open: string[] = [];
  const readSecret: typeof readSecretFile = (path, written) => {
    const reading = readSecretFile(path, written);
    if (reading.ok) return reading;
    if (isClosed(path)) hidden.push(path);
    else open.push(reading.message);
    // Any word will do that is nobody's token: it is compared with others and sent nowhere.
    return { ok: true, value: `unseen-${randomBytes(16).toString('hex')}` };
  };
  try {
    return { config: load({ ...sources, readSecret }), hidden, faults: open, isClosed: false };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What is missing from a file that cannot be read is no mistake of anybody's.
    const closed = error.problems.find(({ path, message }) => path === '' && message.includes(CLOSED));
    const faults = closed === undefined ? error.problems.map(problemLine) : [problemLine(closed)];
    return { config: null, hidden, faults, isClosed: closed !== undefined };
  }
}

/** A token of a file, where it may be read and is good. */
export function tokenIn(path: string | null): string | null {
  if (path === null) return null;
  const reading = readSecretFile(path, path);
  return reading.ok ? reading.value : null;
}

/** Whose a folder is; null while there is none. */
export function ownerOf(path: string): number | null {
  try {
    return statSync(path).uid;
  } catch {
    return null;
  }
}

/** Files that others must not read or change, by what they are. */
export function wantedFiles(config: HubConfig, runnerFiles: readonly RunnerFileLook[]): readonly WantedFile[] {
  const rules = [
    { path: config.file, what: 'the configuration' },
    { path: config.policy, what: 'the policy' },
    { path: config.principals, what: 'the list of people' },
  ];
  const { store } = config.hub;
  // Below state_dir, which nobody else may look into, it needs no look of its own.
  const apart =
    store.kind === 'sqlite' && !store.path.startsWith(`${config.stateDir}/`)
      ? [{ path: store.path, what: 'the store' }]
      : [];
  const secret = [...config.secretFiles, ...apart].map(({ path, what }) => ({ path, what, kind: 'secret' as const }));
  return [
    ...secret,
    ...rules.flatMap(({ path, what }) =>
      path === null || secret.some((one) => one.path === path) ? [] : [{ path, what, kind: 'rules' as const }],
    ),
    ...runnerFiles
      .filter(({ problem, entries }) => problem === null && entries.length > 0)
      .map(({ path }) => ({ path, what: 'configuration of gitlab-runner', kind: 'runner' as const })),
  ];
}
