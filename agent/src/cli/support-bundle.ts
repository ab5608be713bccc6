import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, cpus, freemem, loadavg, platform, release, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type EffectiveConfig, effectiveConfig } from '../config/effective.ts';
import { AGENT_FILE, HUB_FILE } from '../config/file-kinds.ts';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { agentSchema, holdSchema } from '../wire/api.ts';
import type { HubClient } from './client.ts';
import type { Io } from './io.ts';
import type { Parts } from './parts.ts';
import { namesInLog, scrubber } from './scrub.ts';

/** What goes into a bundle. */
export interface BundleWishes {
  readonly config: string | undefined;
  /** A log file; without it the journal of `unit` is read. */
  readonly log: string | undefined;
  readonly unit: string;
  readonly lines: number;
  readonly anonymize: boolean;
}

/** What was gathered: files by name, and what could not be had. */
export interface Gathered {
  readonly files: ReadonlyMap<string, string>;
  readonly missing: readonly string[];
}

const ASK_MS = 10_000;
const JOURNAL_MS = 15_000;
/** Of the end of a log file: more lines than anybody asks for. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
const MAX_ANSWER_CHARS = 4 * 1024 * 1024;
/** Names that are looked up to be replaced. */
const MAX_HOLDS = 5_000;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Why something cannot be had: our own words, else the system's code. */
function whyNot(error: unknown): string {
  if (!(error instanceof Error) || error instanceof HoldpointError)
    return error instanceof Error ? error.message : String(error);
  const { code } = ((error as { cause?: unknown }).cause ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : error.message;
}

async function fetchText(url: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ASK_MS) });
  return { status: answer.status, text: (await answer.text()).slice(0, MAX_ANSWER_CHARS) };
}

async function logText({ log, unit, lines }: BundleWishes): Promise<string> {
  if (log !== undefined) {
    const bytes = await readFile(log);
    const text = bytes.subarray(Math.max(0, bytes.length - MAX_LOG_BYTES)).toString('utf8');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }
  const args = ['-u', unit, '-n', String(lines), '--no-pager', '-o', 'short-iso'];
  const { stdout } = await promisify(execFile)('journalctl', args, {
    timeout: JOURNAL_MS,
    maxBuffer: MAX_LOG_BYTES,
    encoding: 'utf8',
  });
  return stdout;
}

/** Every name that must not be shown, by kind. */
async function namesOf(config: EffectiveConfig, hub: HubClient, io: Io, parts: Parts, log: string) {
  const hosts = config.options
    .filter(({ value }) => typeof value === 'string' && /^https?:\/\//.test(value))
    .map(({ value }) => new URL(String(value)).hostname)
    .filter((host) => !/^(localhost|127\.|\[?::1)/.test(host));
  const principals = config.options.find(({ key }) => key === 'principals')?.value;
  const people: string[] = [];
  const groups: string[] = [];
  const projects: string[] = [];
  if (typeof principals === 'string') {
    const path = resolve(config.file === null ? io.cwd : dirname(config.file), principals);
    const known = (await parts.policies()).readPrincipals(await readFile(path, 'utf8'), 'principals.yaml');
    for (const { username, name } of known.users) people.push(username, name);
    for (const { path: group } of known.groups) groups.push(group);
    for (const { path: project } of known.projects) projects.push(project);
  }
  const jobs: string[] = [];
  const refs: string[] = [];
  const runners = config.runners.map(({ name }) => name);
  const holds = await hub.list('/api/v1/holds', holdSchema, {}, MAX_HOLDS).catch(() => []);
  for (const hold of holds) {
    jobs.push(hold.job);
    refs.push(hold.ref);
    runners.push(hold.runner);
    if (hold.environment !== null) refs.push(hold.environment);
    if (hold.project_path !== null) projects.push(hold.project_path);
    for (const name of [hold.trigger.username, hold.trigger.name]) if (name != null) people.push(name);
  }
  for (const path of projects) {
    const parts = path.split('/');
    for (let end = 1; end < parts.length; end++) groups.push(parts.slice(0, end).join('/'));
    // Its last part alone stands in addresses and titles.
    projects.push(...(parts.length > 1 && !projects.includes(parts.at(-1)!) ? [parts.at(-1)!] : []));
  }
  const seen = namesInLog(log);
  return {
    project: projects,
    group: groups,
    person: [...people, ...(seen.person ?? [])],
    runner: runners,
    job: jobs,
    ref: refs,
    host: hosts,
    address: seen.address ?? [],
  };
}

/** Gathers all that helps somebody else to understand what goes on; nothing secret, and what cannot be had is said. */
export async function gather(io: Io, parts: Parts, hub: HubClient, wishes: BundleWishes): Promise<Gathered> {
  const raw = new Map<string, string>();
  const missing: string[] = [];
  const take = async (name: string, work: () => Promise<string | null>): Promise<void> => {
    try {
      const text = await work();
      if (text !== null) raw.set(name, text);
    } catch (error) {
      missing.push(`${name}: ${printable(whyNot(error))}`);
    }
  };
  const kind = wishes.config?.endsWith(HUB_FILE.name) ? HUB_FILE : AGENT_FILE;
  const config = effectiveConfig({ flags: { config: wishes.config }, env: io.env, cwd: io.cwd }, kind);
  const { secrets, ...shown } = config;
  raw.set('config.json', json(shown));
  raw.set(
    'versions.json',
    json({
      holdpoint: parts.version,
      node: process.version,
      system: `${platform()} ${release()} ${arch()}`,
      cpus: cpus().length,
      memory_bytes: { all: totalmem(), free: freemem() },
      load: loadavg(),
      at: new Date(io.now()).toISOString(),
    }),
  );
  const own = config.options.find(({ key }) => key === 'metrics.listen')?.value as {
    host: string;
    port: number;
  } | null;
  const addresses = [
    ['hub', hub.url],
    ...(own === null ? [] : [['agent', `http://${own.host.includes(':') ? `[${own.host}]` : own.host}:${own.port}`]]),
  ] as const;
  for (const [what, url] of addresses) {
    await take(`${what}-health.json`, async () =>
      json({ healthz: await fetchText(`${url}/healthz`), readyz: await fetchText(`${url}/readyz`) }),
    );
    await take(`${what}-metrics.txt`, async () => (await fetchText(`${url}/metrics`)).text);
  }
  await take('agents.json', async () => json(await hub.list('/api/v1/agents', agentSchema)));
  await take('audit.json', async () => {
    const verified = await hub.get('/api/v1/audit/verify', z.looseObject({}));
    return json({ verified, head: await hub.get('/api/v1/audit/head', z.looseObject({})) });
  });
  await take('log.txt', () => logText(wishes));
  await take('doctor.json', async () => {
    const done = await parts.run([
      'doctor',
      '--json',
      ...(wishes.config === undefined ? [] : [kind === HUB_FILE ? '--hub-config' : '--config', wishes.config]),
    ]);
    if (done === null) throw new HoldpointError('not_found', 'this version has no command "doctor"');
    return done.out === '' ? done.err : done.out;
  });
  const names = wishes.anonymize ? await namesOf(config, hub, io, parts, raw.get('log.txt') ?? '') : {};
  const token = hub.headers.authorization?.replace(/^Bearer /, '');
  const scrub = scrubber({ secrets: [...secrets, ...(token === undefined ? [] : [token])], names });
  const files = new Map([...raw].map(([name, text]) => [name, scrub(text)] as const));
  files.set('README.txt', scrub(readme(wishes.anonymize, missing)));
  return { files, missing };
}

function readme(anonymized: boolean, missing: readonly string[]): string {
  const names = anonymized
    ? 'Names of projects, groups, people, runners, jobs, refs and hosts are replaced, each by the same stand-in everywhere.'
    : 'It names projects, people, runners and hosts: --anonymize replaces them.';
  return `A bundle of "holdpoint support-bundle", for whoever helps.

No token, key, payload, variable or script is in it: options are shown by the table of options, tokens and everything that has
the shape of one are taken out of logs and answers. ${names}
Read it before you send it.

config.json      options as they count, each with where it comes from; runners without their tokens
versions.json    program, Node, system
hub-*, agent-*   health and metrics
agents.json      agents that the hub knows, and what is wrong with them
audit.json       whether the audit verifies, and where it ends
log.txt          the last lines of the log
doctor.json      what "holdpoint doctor" found

${missing.length === 0 ? 'Nothing is missing.' : `Could not be had:\n${missing.map((line) => `- ${line}\n`).join('')}`}`;
}
