import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../agent/src/config/load.ts';
import type { Clock } from '../../agent/src/ports/clock.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import type { HoldDetail, HoldView } from '../../agent/src/wire/api.ts';
import { type RunningAgent, startAgent } from '../../agent/src/wiring.ts';
import { type FakeGitlab, type FakeGitlabOptions, type FakePeople, startFakeGitlab } from './fake-gitlab.ts';
import { type ScriptedRunner, type ScriptedRunnerOptions, startScriptedRunner } from './scripted-runner.ts';

/** How soon a state that is waited for is looked at again; below the hub's limit on requests. */
const LOOK_AGAIN_MS = 20;

/** Who is who in the scenes: Zoë and Alice develop, Maria and Jonas maintain both projects. */
export const PRINCIPALS = `users:
  - { id: 9, username: zoe, name: Zoë Müller }
  - { id: 12, username: alice, name: Alice Okafor }
  - { id: 21, username: maria, name: Maria Silva }
  - { id: 22, username: jonas, name: Jonas Berg }
  - { id: 30, username: rob, name: Rob Reporter }
groups: []
projects:
  - id: 4242
    path: acme/payments/api
    members:
      - { user: zoe, access_level: developer }
      - { user: alice, access_level: developer }
      - { user: maria, access_level: maintainer }
      - { user: jonas, access_level: maintainer }
      - { user: rob, access_level: reporter }
  - id: 4243
    path: acme/web
    members:
      - { user: zoe, access_level: developer }
      - { user: alice, access_level: developer }
      - { user: maria, access_level: maintainer }
      - { user: jonas, access_level: maintainer }
`;

/** The project bot whose token an operator may give the hub. */
export const BOT = { id: 77, username: 'project_4242_bot', name: 'Holdpoint bot', bot: true };

/** Writes agent.yml and principals.yaml of an agent beside this GitLab; ports are free ones unless given. */
/** Folder with agent.yml and what it names. */
export function writeAgentFolder(options: {
  readonly gitlabUrl: string;
  readonly runners: readonly {
    readonly name: string;
    readonly token: string;
    readonly protected: boolean;
    /** More members of the entry, as they stand in YAML: `, mode: monitor`. */
    readonly more?: string;
  }[];
  readonly extra?: string;
  /** More of `hub:`, in flow style: `notify: [{ … }]`. */
  readonly moreOfHub?: readonly string[];
  /** Files beside agent.yml, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly gatewayPort?: number;
  readonly hubPort?: number;
  /** What stands under `hub:` instead of where its own hub listens. */
  readonly hub?: string;
  /** Token of the bot that retries. */
  readonly botToken?: string;
  /** Token of the agent's own, which may read. */
  readonly readToken?: string;
  /** Token that asks GitLab who belongs to what. */
  readonly membersToken?: string;
  /** False: GitLab alone says who is who. */
  readonly principals?: boolean;
}): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-scene-'));
  const runners = options.runners
    .map(
      ({ name, token, protected: guarded, more = '' }) =>
        `  - { name: ${name}, token: ${token}, protected: ${guarded}${more} }\n`,
    )
    .join('');
  const tokenFile = options.readToken === undefined ? '' : ', token_file: read.token';
  if (options.readToken !== undefined) writeFileSync(join(folder, 'read.token'), options.readToken, { mode: 0o600 });
  const hub = [
    `listen: 127.0.0.1:${options.hubPort ?? 0}`,
    ...(options.botToken === undefined ? [] : ['gitlab_token_file: bot.token']),
    ...(options.membersToken === undefined ? [] : ['gitlab_members_token_file: members.token']),
    ...(options.moreOfHub ?? []),
  ].join(', ');
  const text = `gitlab: { url: ${options.gitlabUrl}${tokenFile} }
gateway: { listen: 127.0.0.1:${options.gatewayPort ?? 0} }
hub: { ${options.hub ?? hub} }
state_dir: ${join(folder, 'state')}
${options.principals === false ? '' : 'principals: principals.yaml'}
${options.extra ?? ''}
runners:
${runners}`;
  writeFileSync(join(folder, 'agent.yml'), text, { mode: 0o600 });
  if (options.botToken !== undefined) writeFileSync(join(folder, 'bot.token'), options.botToken, { mode: 0o600 });
  if (options.membersToken !== undefined)
    writeFileSync(join(folder, 'members.token'), options.membersToken, { mode: 0o600 });
  writeFileSync(join(folder, 'principals.yaml'), PRINCIPALS, { mode: 0o600 });
  for (const [name, content] of Object.entries(options.files ?? {}))
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  return folder;
}

/** Folder with hub.yml and what it names, for a hub alone. */
export function writeHubFolder(options: {
  readonly gitlabUrl: string;
  readonly listen: string;
  readonly extra?: string;
  readonly files?: Readonly<Record<string, string>>;
}): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-hub-'));
  const text = `gitlab: { url: ${options.gitlabUrl} }
listen: ${options.listen}
state_dir: ${join(folder, 'state')}
principals: principals.yaml
${options.extra ?? ''}
`;
  writeFileSync(join(folder, 'hub.yml'), text, { mode: 0o600 });
  writeFileSync(join(folder, 'principals.yaml'), PRINCIPALS, { mode: 0o600 });
  for (const [name, content] of Object.entries(options.files ?? {})) writeFileSync(join(folder, name), content);
  return folder;
}

/** A person with a token, talking to the hub over HTTP. */
export interface Person {
  readonly token: string;
  get<T>(path: string): Promise<{ status: number; body: T }>;
  post<T>(path: string, body: unknown): Promise<{ status: number; body: T }>;
  put<T>(path: string, body: unknown): Promise<{ status: number; body: T }>;
  remove<T>(path: string): Promise<{ status: number; body: T }>;
}

function person(hubUrl: () => string, token: string): Person {
  const ask = async <T>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${hubUrl()}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as T };
  };
  return {
    token,
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    put: (path, body) => ask('PUT', path, body),
    remove: (path) => ask('DELETE', path),
  };
}

/** Log that keeps its lines, so that a test can look for what must not stand in them. */
export function keepingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const make = (base: Record<string, unknown>): Log => {
    const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
      const plain = Object.fromEntries(
        Object.entries({ ...base, ...fields }).map(([k, v]) => [
          k,
          v instanceof Error ? `${v.stack}${v.cause ?? ''}` : v,
        ]),
      );
      lines.push(`${level} ${message} ${JSON.stringify(plain)}`);
    };
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => make({ ...base, ...fields }),
    };
  };
  return Object.assign(make({}), { lines });
}

/** A GitLab, an agent with its embedded hub and the people who decide: everything but the runners, on real ports. */
export interface Scene {
  readonly gitlab: FakeGitlab;
  readonly folder: string;
  readonly log: Log & { readonly lines: string[] };
  agent: RunningAgent;
  readonly protectedToken: string;
  readonly openToken: string;
  /** A person of PRINCIPALS with a token of these scopes (default read and approve). */
  as(username: string, scopes?: readonly string[]): Promise<Person>;
  runner(options?: Partial<ScriptedRunnerOptions>): ScriptedRunner;
  /** Waits for the Hold of a GitLab job to be in this state and gives it with all details. */
  hold(jobId: number, state: HoldView['state'], timeoutMs?: number): Promise<HoldDetail>;
  /** Approves as a maintainer with the digest that is shown. */
  approve(jobId: number, extra?: object): Promise<HoldDetail>;
  /** Stops the agent and starts it again on the same folder; `meanwhile` happens while it is down. */
  restart(meanwhile?: () => void): Promise<void>;
  close(): Promise<void>;
}

export async function openScene(
  options: {
    readonly extra?: string;
    /** More of `hub:`, in flow style. */
    readonly moreOfHub?: readonly string[];
    readonly files?: Readonly<Record<string, string>>;
    /** More members of the protected runner's entry. */
    readonly runner?: string;
    readonly gitlab?: FakeGitlabOptions;
    readonly clock?: Clock;
    /** Called with the folder before the agent is first started: puts a state there. */
    readonly before?: (folder: string) => void;
    /** What GitLab lets the hub's bot do; without it the hub has none. */
    readonly bot?: readonly ('read' | 'retry' | 'status' | 'note')[];
    /** Folder of the built page; default: what a build has left. */
    readonly page?: string;
    /** True: the agent looks at the host of this test, as it would at its own. */
    readonly examine?: boolean;
    /** True: the agent has a token of its own that may read. */
    readonly readToken?: boolean;
    /** Who is who in GitLab, which is asked for it: alone, or beside principals.yaml. */
    readonly people?: FakePeople;
    readonly principals?: boolean;
  } = {},
): Promise<Scene> {
  const gitlab = await startFakeGitlab(options.gitlab ?? {});
  const protectedToken = gitlab.runnerToken('prod-deployer-01');
  const openToken = gitlab.runnerToken('open-01');
  if (options.people !== undefined) gitlab.setPeople(options.people);
  const folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [
      { name: 'prod-deployer-01', token: protectedToken, protected: true, more: options.runner ?? '' },
      { name: 'open-01', token: openToken, protected: false },
    ],
    ...(options.extra === undefined ? {} : { extra: options.extra }),
    ...(options.moreOfHub === undefined ? {} : { moreOfHub: options.moreOfHub }),
    ...(options.files === undefined ? {} : { files: options.files }),
    ...(options.bot === undefined ? {} : { botToken: gitlab.personToken(BOT, { may: options.bot }) }),
    ...(options.people === undefined ? {} : { membersToken: gitlab.personToken(BOT, { may: ['read'] }) }),
    ...(options.principals === undefined ? {} : { principals: options.principals }),
    ...(options.readToken === true ? { readToken: gitlab.personToken(BOT, { may: ['read'] }) } : {}),
  });
  options.before?.(folder);
  const log = keepingLog();
  const clock = options.clock ?? createClock();
  const start = () => {
    const config = loadConfig({ flags: { config: join(folder, 'agent.yml') }, env: {}, cwd: folder });
    const { page, examine = false } = options;
    return startAgent(config, { log, clock, examine, ...(page === undefined ? {} : { page }) });
  };
  const first = await start();
  const runners: ScriptedRunner[] = [];
  let admin: Person | null = null;
  const people = new Map<string, Promise<Person>>();

  const scene: Scene = {
    gitlab,
    folder,
    log,
    agent: first,
    protectedToken,
    openToken,
    async as(username, scopes = ['read', 'approve']) {
      const url = () => scene.agent.hubUrl;
      const create = async (by: Person, user: string, wanted: readonly string[]) => {
        const made = await by.post<{ token: string }>('tokens', { user, scopes: wanted, expires_in_s: 30 * 86_400 });
        if (made.status !== 201) throw new Error(`no token for ${user}: ${made.status} ${JSON.stringify(made.body)}`);
        return person(url, made.body.token);
      };
      admin ??= await create(person(url, first.bootstrapToken ?? ''), 'maria', ['read', 'admin']);
      const key = [username, ...scopes].join(' ');
      const known = people.get(key) ?? create(admin, username, scopes);
      people.set(key, known);
      return known;
    },
    runner(extra = {}) {
      const runner = startScriptedRunner({
        url: scene.agent.gatewayUrl,
        token: protectedToken,
        version: '18.5',
        exec: 'none',
        ...extra,
      });
      runners.push(runner);
      return runner;
    },
    async hold(jobId, state, timeoutMs = 10_000) {
      const maria = await scene.as('maria');
      const deadline = Date.now() + timeoutMs;
      let seen = 'no Hold of this job';
      for (;;) {
        const list = await maria.get<{ items: HoldView[] }>('holds');
        const found = list.body.items?.find((hold) => hold.job_id === jobId);
        if (found !== undefined) seen = `${found.state} (${found.reason ?? 'no reason'})`;
        if (found?.state === state) return (await maria.get<HoldDetail>(`holds/${found.id}`)).body;
        if (Date.now() > deadline) {
          throw new Error(
            `Hold of job ${jobId}: wanted ${state}, last seen ${seen}\n${log.lines.slice(-20).join('\n')}`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },
    async approve(jobId, extra = {}) {
      const hold = await scene.hold(jobId, 'waiting_for_approval');
      const maria = await scene.as('maria');
      const answer = await maria.post<HoldDetail>(`holds/${hold.id}/approve`, { digest: hold.digest, ...extra });
      if (answer.status !== 200) throw new Error(`not approved: ${answer.status} ${JSON.stringify(answer.body)}`);
      return hold;
    },
    async restart(meanwhile = () => {}) {
      await scene.agent.stop();
      meanwhile();
      scene.agent = await start();
    },
    async close() {
      await Promise.all(runners.map((runner) => runner.stop()));
      await scene.agent.stop();
      await gitlab.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return scene;
}
