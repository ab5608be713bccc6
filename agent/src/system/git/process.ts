import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** 96 MiB: the largest file that git may write, the trees of a commit or the content of all that is covered. */
const MAX_WRITTEN_BYTES = 96 * 1024 * 1024;
/** 2 GiB: what an object can unpack to is bounded by it. */
const MAX_MEMORY_KIB = 2 * 1024 * 1024;
const MAX_CPU_S = 60;
/** What git says when it fails is looked at for a few words, never shown: it may repeat what a server sent. */
const MAX_SAID_BYTES = 16 * 1024;

/** Limits that the kernel keeps for git and everything that it starts; then git itself, without a shell between. */
const LIMITS = [`-f ${MAX_WRITTEN_BYTES / 512}`, `-t ${MAX_CPU_S}`, `-v ${MAX_MEMORY_KIB}`, '-c 0'];
/** Code of the shell's end where the host does not let it set a limit. */
export const NO_LIMITS = 125;
const LIMITED = `${LIMITS.map((limit) => `ulimit ${limit} || exit ${NO_LIMITS}`).join('; ')}; exec git "$@"`;

/** Settings for every call: nothing of the host's, nothing of the repository's, no program but git's own transport. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ['protocol.version', '2'],
  // A redirect would take the credential with it.
  ['http.followRedirects', 'false'],
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '15'],
  ['http.sslVerify', 'true'],
  ['credential.helper', ''],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.askPass', ''],
  ['fetch.recurseSubmodules', 'false'],
  ['fetch.negotiationAlgorithm', 'noop'],
  ['fetch.writeCommitGraph', 'false'],
  // One pack and no loose objects: a limit on files is one on all of it.
  ['fetch.unpackLimit', '1'],
  ['fetch.fsckObjects', 'false'],
  ['transfer.bundleURI', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['pack.threads', '1'],
  ['core.packedGitWindowSize', '16m'],
  ['core.packedGitLimit', '256m'],
  ['core.deltaBaseCacheLimit', '32m'],
  ['core.bigFileThreshold', '32m'],
];

/** Which repository of git's own is worked on, and what may be reached from there. */
export interface GitPlace {
  readonly folder: string;
  /** Null: nothing may be fetched, not even on the side. */
  readonly remote: {
    readonly url: string;
    readonly username: string;
    readonly password: string;
    readonly caFile: string | null;
  } | null;
}

/** The whole environment of git, from nothing: a variable of the agent's could name a program. The password stands here alone. */
export function gitEnvironment({ folder, remote }: GitPlace): Record<string, string> {
  const settings = [...SETTINGS, ['protocol.allow', 'never'] as const];
  if (remote !== null) {
    const { protocol, origin } = new URL(remote.url);
    const credential = Buffer.from(`${remote.username}:${remote.password}`).toString('base64');
    settings.push(
      [`protocol.${protocol.slice(0, -1)}.allow`, 'always'],
      ['remote.origin.url', remote.url],
      [`http.${origin}/.extraHeader`, `Authorization: Basic ${credential}`],
    );
    if (remote.caFile !== null) settings.push(['http.sslCAInfo', remote.caFile]);
  }
  const numbered = settings.flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ]);
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    HOME: folder,
    XDG_CONFIG_HOME: folder,
    TMPDIR: folder,
    GIT_DIR: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(numbered),
  };
}

/** Why a call of git failed; `code` null: it was ended, by a signal or by us. `said` is for looking at, never for showing. */
export class GitFailed extends Error {
  readonly code: number | null;
  readonly said: string;
  constructor(code: number | null, said: string) {
    super('git failed');
    this.code = code;
    this.said = said;
  }
}

/** Runs git; `take` reads what it prints. Rejects with {@link GitFailed}, and only after the process and its children are gone. */
export async function git(
  place: GitPlace,
  args: readonly string[],
  { signal, input, take }: { signal: AbortSignal; input?: string; take?: (out: Readable) => Promise<void> },
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', LIMITED, 'git', ...args], {
    cwd: place.folder,
    env: gitEnvironment(place),
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own, so that what git starts ends with it.
    detached: true,
  });
  const stop = (): void => endGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    if (said.length < MAX_SAID_BYTES) said += part.toString();
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => {});
  // Git may be gone before it has read its input: how it ended says why.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  try {
    if (take === undefined) child.stdout.resume();
    else await take(child.stdout);
    const code = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw new GitFailed(code, said);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await ended.catch(() => {});
  }
}

function endGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || (exitCode !== null && signalCode !== null)) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
