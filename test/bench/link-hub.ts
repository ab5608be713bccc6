import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Store } from '../../agent/src/ports/store.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { openHubKey } from '../../agent/src/system/hub-key.ts';
import { PROGRAM } from './agent-process.ts';
import { agentName, agentPublicKey } from './link-keys.ts';
import { lowPort } from './low-port.ts';
import { JOB, PROJECTS, PROJECTS_FROM } from './payload.ts';
import { atEnd, ended, start } from './processes.ts';
import type { Noted } from './stamps.ts';

/** People who may approve: one may vote 60 times a minute. */
const VOTERS = 30;
const ADMIN = { id: 21, username: 'maria' };
/** Rows written in one transaction. */
const ROWS_AT_ONCE = 1_000;
/** For a profile of the hub: `HOLDPOINT_BENCH_HUB_ARGS=--cpu-prof --cpu-prof-dir=/tmp/prof`. */
const NODE_ARGS = (process.env.HOLDPOINT_BENCH_HUB_ARGS ?? '').split(' ').filter((arg) => arg !== '');
const KEYS = ['variable.key', 'hub.key', 'recordings.key'];

/** A folder of `holdpoint hub`, which may be started and killed again and again. */
export interface HubFolder {
  readonly url: string;
  readonly folder: string;
  /** Rewrites the policy file; the hub sees it within a second. */
  changePolicy(): void;
}
/** The built program as a process of its own. */
export interface BenchHub {
  readonly pid: number;
  readonly url: string;
  /** Base64url. */
  readonly hubKey: string;
  readonly readyMs: number;
  readonly bootstrapToken: string | null;
  /** What was noted of pushes since the last time; its garbage has been collected then. */
  noted(): Promise<Noted>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Nobody can be asked here who made a commit; one vote decides. The comment makes it another policy. */
const policyText = (turn: number): string => `unknown_author: allow\n# turn ${turn}\n`;

function principals(): string {
  const { user } = JOB;
  const voters = Array.from({ length: VOTERS }, (_, n) => ({ id: 1_000 + n, username: `voter-${n}` }));
  const users = [user, { ...ADMIN, name: 'Maria' }, ...voters.map((voter) => ({ ...voter, name: voter.username }))];
  const members = [
    { user: user.username, access_level: 'developer' },
    ...[ADMIN, ...voters].map(({ username }) => ({ user: username, access_level: 'maintainer' })),
  ];
  const projects = Array.from({ length: PROJECTS }, (_, n) => ({
    id: PROJECTS_FROM + n,
    path: `acme/project-${n}`,
    members: [],
  }));
  return JSON.stringify({ users, groups: [{ id: 5, path: 'acme', members }], projects }, null, 1);
}

/** Writes a folder; `store` is `sqlite` or the address of a database, `like` a folder whose keys it takes. */
export async function hubFolder(store: string, like?: HubFolder): Promise<HubFolder> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-link-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const state = join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  // Made before the store is, as the hub itself does: it refuses a store that was written under other keys.
  for (const key of KEYS) {
    if (like === undefined) writeFileSync(join(state, key), randomBytes(32), { mode: 0o600 });
    else copyFileSync(join(like.folder, 'state', key), join(state, key));
  }
  const port = await lowPort();
  const lines = [
    'gitlab: { url: http://127.0.0.1:9 }',
    `listen: 127.0.0.1:${port}`,
    `state_dir: ${state}`,
    'principals: principals.yaml',
    'policy: policy.yaml',
    ...(store === 'sqlite' ? [] : [`store: ${store}`]),
  ];
  writeFileSync(join(folder, 'hub.yml'), `${lines.join('\n')}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'principals.yaml'), principals(), { mode: 0o600 });
  let turn = 0;
  const changePolicy = (): void => writeFileSync(join(folder, 'policy.yaml'), policyText(++turn), { mode: 0o600 });
  changePolicy();
  return { url: `http://127.0.0.1:${port}`, folder, changePolicy };
}

/** Has so many agents enrolled in the store, with the rows that enrolling writes. The hub is not running. */
export async function enrolAll(store: string, { folder }: HubFolder, agents: number): Promise<void> {
  const opened: Store =
    store === 'sqlite'
      ? await openStore({ path: join(folder, 'state/hub.sqlite') })
      : await openPostgresStore({ url: store });
  const now = Date.now();
  for (let from = 0; from < agents; from += ROWS_AT_ONCE) {
    await opened.write(async (tx) => {
      for (let n = from; n < Math.min(from + ROWS_AT_ONCE, agents); n++) {
        const whose = { name: agentName(n), publicKey: agentPublicKey(n) };
        await tx.putEnrolled({ ...whose, enrolledAt: now, enrolledBy: 'bench', revokedAt: null, revokedBy: null });
      }
    });
  }
  await opened.close();
}

/** Starts the built program and waits until it says that it is ready. */
export async function startBenchHub({ folder, url }: HubFolder): Promise<BenchHub> {
  const logFile = join(folder, 'hub.log');
  const stampFile = join(folder, 'stamps.json');
  const preload = fileURLToPath(new URL('./stamps.js', import.meta.url));
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', BENCH_STAMPS: stampFile };
  const began = performance.now();
  const args = ['--import', preload, ...NODE_ARGS, PROGRAM, '--json', 'hub', '--config', join(folder, 'hub.yml')];
  const child = start(process.execPath, args, { env, cwd: folder, stdio: ['ignore', 'pipe', openSync(logFile, 'a')] });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) =>
      reject(new Error(`holdpoint hub ended with ${code}: ${readFileSync(logFile, 'utf8').slice(-2_000)}`)),
    );
  });
  const readyMs = performance.now() - began;
  const ready = JSON.parse(line) as { bootstrap_token: string | null };
  const { publicKey } = openHubKey(join(folder, 'state/hub.key'));
  return {
    pid: child.pid!,
    url,
    hubKey: Buffer.from(publicKey).toString('base64url'),
    readyMs,
    bootstrapToken: ready.bootstrap_token,
    async noted() {
      rmSync(stampFile, { force: true });
      child.kill('SIGUSR2');
      for (const until = Date.now() + 10_000; !existsSync(stampFile); ) {
        if (Date.now() > until) throw new Error('the hub wrote no stamps');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return JSON.parse(readFileSync(stampFile, 'utf8')) as Noted;
    },
    kill: (signal) => ended(child, signal),
  };
}

/** A token for each of those who may approve. */
export async function voterTokens(url: string, bootstrapToken: string): Promise<readonly string[]> {
  const create = async (by: string, user: string, scopes: readonly string[]): Promise<string> => {
    const response = await fetch(`${url}/api/v1/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user, scopes }),
    });
    if (response.status !== 201) throw new Error(`no token for ${user}: ${await response.text()}`);
    return ((await response.json()) as { token: string }).token;
  };
  const admin = await create(bootstrapToken, ADMIN.username, ['read', 'admin']);
  const tokens: string[] = [];
  for (let n = 0; n < VOTERS; n++) tokens.push(await create(admin, `voter-${n}`, ['read', 'approve']));
  return tokens;
}
