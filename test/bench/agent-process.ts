import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAgentFolder } from '../support/scene.ts';
import { atEnd, ended, start } from './processes.ts';
import { ROOT } from './root.ts';

/** The built program. */
export const PROGRAM: string = join(ROOT, 'dist/agent/src/main.js');
/** The token that the benchmarks' runners poll with. */
export const RUNNER_TOKEN = 'glrt-bench000000000000000000';

/** What the shipped unit gives Node, so that what is measured is what is shipped. */
export function shippedNodeOptions(): string {
  const unit = readFileSync(join(ROOT, 'systemd/holdpoint-agent.service'), 'utf8');
  return /^Environment=NODE_OPTIONS=(.*)$/m.exec(unit)?.[1] ?? '';
}

/** `holdpoint agent` as a process of its own, with the log that it has when nothing is set, into a file. */
export interface BenchAgent {
  readonly pid: number;
  readonly gatewayPort: number;
  readonly hubUrl: string;
  /** Milliseconds from starting the process to "ready". */
  readonly readyMs: number;
  /** A token of this person that may read and approve. */
  token(username: string): Promise<string>;
  end(): Promise<void>;
}

export interface BenchAgentOptions {
  readonly gitlabPort: number;
  readonly nodeArgs?: readonly string[];
  readonly nodeOptions?: string;
  readonly extra?: string;
  /** A folder of an earlier agent, to start on its state. */
  readonly folder?: string;
}

export function agentFolder(gitlabPort: number, extra = ''): string {
  const folder = writeAgentFolder({
    gitlabUrl: `http://127.0.0.1:${gitlabPort}`,
    runners: [{ name: 'bench', token: RUNNER_TOKEN, protected: true }],
    extra,
  });
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the built program and waits until it says that it is ready. */
export async function startBenchAgent(options: BenchAgentOptions): Promise<BenchAgent> {
  const folder = options.folder ?? agentFolder(options.gitlabPort, options.extra);
  const logs = mkdtempSync(join(tmpdir(), 'holdpoint-log-'));
  atEnd(() => rmSync(logs, { recursive: true, force: true }));
  const logFile = join(logs, 'agent.log');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '/',
    NODE_OPTIONS: options.nodeOptions ?? shippedNodeOptions(),
  };
  const began = performance.now();
  const child = start(
    process.execPath,
    [...(options.nodeArgs ?? []), PROGRAM, '--json', 'agent', '--config', join(folder, 'agent.yml')],
    { env, cwd: logs, stdio: ['ignore', 'pipe', openSync(logFile, 'w')] },
  );
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) =>
      reject(new Error(`holdpoint agent ended with ${code}: ${readFileSync(logFile, 'utf8')}`)),
    );
  });
  const readyMs = performance.now() - began;
  const ready = JSON.parse(line) as { gateway_url: string; hub_url: string; bootstrap_token: string | null };
  const create = async (by: string, user: string, scopes: readonly string[]): Promise<string> => {
    const response = await fetch(`${ready.hub_url}/api/v1/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user, scopes }),
    });
    if (response.status !== 201) throw new Error(`no token for ${user}: ${await response.text()}`);
    return ((await response.json()) as { token: string }).token;
  };
  let admin: Promise<string> | null = null;
  return {
    pid: child.pid!,
    gatewayPort: Number(new URL(ready.gateway_url).port),
    hubUrl: ready.hub_url,
    readyMs,
    async token(username) {
      admin ??= create(ready.bootstrap_token ?? '', 'maria', ['read', 'admin']);
      return create(await admin, username, ['read', 'approve']);
    },
    end: () => ended(child),
  };
}

/** Approves a Hold with the digest that is shown, as a person does. */
export async function approve(hubUrl: string, token: string, hold: number): Promise<void> {
  const digest = await digestOf(hubUrl, token, hold);
  await sendApproval(hubUrl, token, hold, digest);
}

export async function digestOf(hubUrl: string, token: string, hold: number): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${hubUrl}/api/v1/holds/${hold}`, { headers });
  const body = (await response.json()) as { digest?: string };
  if (body.digest === undefined) throw new Error(`hold ${hold}: ${response.status} ${JSON.stringify(body)}`);
  return body.digest;
}

export async function sendApproval(hubUrl: string, token: string, hold: number, digest: string): Promise<void> {
  const response = await fetch(`${hubUrl}/api/v1/holds/${hold}/approve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ digest }),
  });
  if (response.status !== 200)
    throw new Error(`hold ${hold} was not approved: ${response.status} ${await response.text()}`);
  await response.text();
}
