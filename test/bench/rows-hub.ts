import { type ChildProcess, execFile } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLinkClient } from '../../agent/src/link/client.ts';
import { enrolAgent } from '../../agent/src/link/enrol.ts';
import type { Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { freshKey } from '../../agent/src/system/hub-key.ts';
import { PROGRAM, shippedNodeOptions } from './agent-process.ts';
import { JOB } from './payload.ts';
import { ended, start } from './processes.ts';
import { FIRST_PROJECT } from './rows-fill.ts';

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
/** One person votes 60 times a minute at most. */
export const APPROVERS = 12;
/** Sees and decides in so many of the projects; the others do in all of them. */
export const FEW_PROJECTS = 20;

/** hub.yml, and who is who: approvers of all projects, one of a few, one who only looks, and who triggers the jobs. */
export function writeHub(folder: string, config: string, projects: number): void {
  const approvers = Array.from({ length: APPROVERS }, (_, n) => `approver-${n}`);
  const users = [...approvers, 'few', 'admin'].map((name, n) => `  - { id: ${1_000 + n}, username: ${name} }`);
  const members = approvers.map((name) => `{ user: ${name}, access_level: maintainer }`).join(', ');
  const few = ', members: [{ user: few, access_level: maintainer }]';
  const lines = Array.from(
    { length: projects },
    (_, n) => `  - { id: ${FIRST_PROJECT + n}, path: bank/project-${n}${n < FEW_PROJECTS ? few : ''} }`,
  );
  const people = `users:
  - { id: ${JOB.user.id}, username: ${JOB.user.username} }
${users.join('\n')}
groups:
  - { id: 1, path: bank, members: [${members}] }
projects:
  - { id: ${JOB.project}, path: bank/web }
${lines.join('\n')}
`;
  writeFileSync(join(folder, 'principals.yaml'), people, { mode: 0o600 });
  const text = `gitlab: { url: http://127.0.0.1:9 }
listen: 127.0.0.1:0
state_dir: ${join(folder, 'state')}
principals: principals.yaml
${config}`;
  writeFileSync(join(folder, 'hub.yml'), text, { mode: 0o600 });
}

/** `holdpoint hub` as a process of its own. */
export interface BenchHub {
  readonly pid: number;
  readonly url: string;
  readonly readyMs: number;
  readonly bootstrapToken: string | null;
  end(): Promise<void>;
}

export async function startBenchHub(folder: string, nodeArgs: readonly string[] = []): Promise<BenchHub> {
  const logFile = join(folder, 'hub.log');
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', NODE_OPTIONS: shippedNodeOptions() };
  const began = performance.now();
  const child: ChildProcess = start(
    process.execPath,
    [...nodeArgs, PROGRAM, '--json', 'hub', '--config', join(folder, 'hub.yml')],
    { env, cwd: folder, stdio: ['ignore', 'pipe', openSync(logFile, 'a')] },
  );
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) =>
      reject(new Error(`holdpoint hub ended with ${code}: ${readFileSync(logFile, 'utf8')}`)),
    );
  });
  const ready = JSON.parse(line) as { hub_url: string; bootstrap_token: string | null };
  return {
    pid: child.pid!,
    url: ready.hub_url,
    readyMs: performance.now() - began,
    bootstrapToken: ready.bootstrap_token,
    end: () => ended(child),
  };
}

/** No request of a person is waited for longer. */
const REQUEST_MS = 20_000;

/** One request of a person; the text of the answer. */
export async function ask(url: string, token: string, path: string, body?: object): Promise<string> {
  const response = await fetch(`${url}${path}`, {
    signal: AbortSignal.timeout(REQUEST_MS),
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`);
  return text;
}

/** Tokens of everybody, and an agent's key that is enrolled; they outlast a start of the hub. */
export interface World {
  readonly approvers: readonly string[];
  readonly few: string;
  readonly admin: string;
  link(url: string): Gatekeeper;
}

export async function settleIn({ url, bootstrapToken }: BenchHub): Promise<World> {
  const token = async (by: string, user: string, scopes: readonly string[]): Promise<string> =>
    (JSON.parse(await ask(url, by, '/api/v1/tokens', { user, scopes })) as { token: string }).token;
  const admin = await token(bootstrapToken ?? '', 'admin', ['read', 'admin']);
  const approvers: string[] = [];
  for (let n = 0; n < APPROVERS; n++) approvers.push(await token(admin, `approver-${n}`, ['read', 'approve']));
  const invited = JSON.parse(await ask(url, admin, '/api/v1/agents', { name: 'bench' })) as { token: string };
  const key = freshKey();
  const { hubKey } = await enrolAgent({ url, token: invited.token, key });
  let cursor = 0;
  const save = async (seq: number): Promise<void> => {
    cursor = seq;
  };
  return {
    approvers,
    admin,
    few: await token(admin, 'few', ['read', 'approve']),
    link: (hub) =>
      createLinkClient({
        url: hub,
        agent: 'bench',
        version: '0',
        runners: [{ name: 'bench', protected: true }],
        hubKey,
        sign: (bytes) => key.sign(bytes),
        cursor: { load: async () => cursor, save },
        clock: createClock(),
        log: SILENT,
      }),
  };
}

/** Runs one command of the built program to its end, or for as long as it may; its output. */
export async function command(
  cwd: string,
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...args], {
    cwd,
    signal,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', NODE_OPTIONS: shippedNodeOptions(), ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}
