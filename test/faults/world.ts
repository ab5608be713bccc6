import { randomInt } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { freePort } from '../support/free-port.ts';
import { HOLDPOINT, startAgentProcess, startHubProcess } from '../support/holdpoint-process.ts';
import { type PostgresPair, startPostgresPair } from '../support/postgres-pair.ts';
import { writeAgentFolder, writeHubFolder } from '../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';
import type { Started, Unbegun } from './history.ts';
import { type Member, memberOf } from './member.ts';
import { startProxy, type Wire } from './proxy.ts';
import type { Shape } from './schedule.ts';

/** Who is who: Maria, Jonas and Lena maintain both projects, the others do not. */
const PRINCIPALS = `users:
  - { id: 9, username: zoe, name: Zoë Müller }
  - { id: 12, username: alice, name: Alice Okafor }
  - { id: 21, username: maria, name: Maria Silva }
  - { id: 22, username: jonas, name: Jonas Berg }
  - { id: 23, username: lena, name: Lena Roth }
groups: []
projects:
${[
  [4242, 'acme/payments/api'],
  [4243, 'acme/web'],
]
  .map(
    ([id, path]) => `  - id: ${id}
    path: ${path}
    members:
      - { user: zoe, access_level: developer }
      - { user: alice, access_level: developer }
      - { user: maria, access_level: maintainer }
      - { user: jonas, access_level: maintainer }
      - { user: lena, access_level: maintainer }
`,
  )
  .join('')}`;
const POLICY = `configurations:
  - name: two of them
    match: { jobs: ["duo-*"] }
    rules: [{ name: maintainers, access_level: maintainer, count: 2 }]
superseded: run
`;
/**
 * One GitLab for all agents, as GitLab is: what is approved at one host is approved at the others. The name leads each agent to a
 * wire of its own (`time-warp.mjs`), on one port of loopback addresses that no other storm has.
 */
const GITLAB_NAME = 'gitlab.test';
const gitlabAddresses = (): ((n: number) => string) => {
  const [a, b] = [randomInt(1, 250), randomInt(1, 250)];
  return (n) => `127.${a}.${b}.${n + 1}`;
};
/** Well below the minute in which everything has to come to rest. */
const CONFIRM_S = 8;
const PEOPLE = ['maria', 'jonas', 'lena', 'zoe', 'alice'] as const;
export type PersonName = (typeof PEOPLE)[number];

/** An agent with its wires and its runner. */
export interface Host {
  readonly name: string;
  readonly token: string;
  readonly agent: Member;
  readonly toGitlab: Wire;
  readonly toHub: Wire;
  readonly toAgent: Wire;
  /** Ends the runner with all that it runs and starts another. */
  killRunner(): void;
  rest(on: boolean): void;
}
/** A hub with its wire to the database; none where it has its own. */
export interface Hub {
  readonly member: Member;
  readonly url: string;
  readonly toStore: Wire | null;
}
/** Everything that a storm rages over. */
export interface World {
  readonly shape: Shape;
  readonly gitlab: FakeGitlab;
  readonly hosts: readonly Host[];
  readonly hubs: readonly Hub[];
  readonly postgres: PostgresPair | null;
  readonly started: readonly Started[];
  readonly unbegun: readonly Unbegun[];
  /** What went wrong with the harness or with a start. */
  readonly troubles: string[];
  readonly tokens: Readonly<Record<PersonName, string>>;
  /** Ends runners and processes; nothing of it is left. */
  close(): Promise<void>;
}

const pem = (name: string): string => readFileSync(join(ROOT, `test/fixtures/tls/${name}.pem`), 'utf8');
/** The certificate that links show, and one of the same key that was over long ago. */
export const CERTIFICATES = () => ({
  good: { cert: pem('cert'), key: pem('key') },
  expired: { cert: pem('expired'), key: pem('key') },
});

/** Which key the script lines of a job stand for. */
export function keyIn(lines: readonly string[]): string | null {
  for (const line of lines) {
    const found = /^echo key=(\S+)$/.exec(line);
    if (found !== null) return found[1]!;
  }
  return null;
}

/** Starts everything, on loopback alone, and waits until all agents are linked. `program`: the built command that is tried. */
export async function startWorld(shape: Shape, program = HOLDPOINT): Promise<World> {
  const stops: (() => unknown)[] = [];
  const troubles: string[] = [];
  const started: Started[] = [];
  const unbegun: Unbegun[] = [];
  const warp = pathToFileURL(join(ROOT, 'test/faults/time-warp.mjs')).href;
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  const folderOf = (folder: string): string => {
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  };
  try {
    const gitlab = await startFakeGitlab({});
    stops.push(() => gitlab.close());
    const postgres = shape.store === 'postgres' ? await startPostgresPair() : null;
    if (postgres !== null) stops.push(() => postgres.remove());

    const hubs: (Hub & { readonly bootstrap: string | null })[] = [];
    const openHub = async (n: number): Promise<void> => {
      const port = await freePort();
      const toStore = postgres === null ? null : await startProxy({ target: postgres.port() });
      if (toStore !== null) stops.push(() => toStore.close());
      const store = postgres === null ? '' : `store: ${postgres.url(toStore!.port)}\n`;
      const folder = folderOf(
        writeHubFolder({
          gitlabUrl: gitlab.url,
          listen: `127.0.0.1:${port}`,
          extra: `${store}policy: policy.yaml\noffline_grace: 6s\noffline_grace_protected: 6s\n`,
          files: { 'principals.yaml': PRINCIPALS, 'policy.yaml': POLICY },
        }),
      );
      if (n > 0) {
        // Hubs of one store have its keys.
        mkdirSync(join(folder, 'state'), { recursive: true, mode: 0o700 });
        for (const key of ['variable.key', 'hub.key', 'recordings.key'])
          copyFileSync(join(hubs[0]!.member.folder, 'state', key), join(folder, 'state', key));
      }
      const member = await memberOf(
        `hub ${n + 1}`,
        folder,
        warp,
        (env, spawned) => startHubProcess(join(folder, 'hub.yml'), env, { program, spawned }),
        (message) => troubles.push(message),
      );
      stops.push(() => member.end());
      hubs.push({ member, url: member.first.hubUrl, toStore, bootstrap: member.first.bootstrapToken });
    };
    await openHub(0);
    const { url } = hubs[0]!;
    const post = async <T>(token: string, path: string, body: object): Promise<T> => {
      const answer = await fetch(`${url}/api/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as T;
    };
    const tokenFor = async (by: string, user: PersonName, scopes: readonly string[]) =>
      (await post<{ token: string }>(by, 'tokens', { user, scopes, expires_in_s: 30 * 86_400 })).token;
    const admin = await tokenFor(hubs[0]!.bootstrap ?? '', 'maria', ['read', 'approve', 'admin']);
    const tokens = { maria: admin } as Record<PersonName, string>;
    for (const person of PEOPLE.slice(1)) tokens[person] = await tokenFor(admin, person, ['read', 'approve']);
    for (let n = 1; n < shape.hubs; n++) await openHub(n);

    const hosts: Host[] = [];
    const { good } = CERTIFICATES();
    const addressOf = gitlabAddresses();
    let gitlabPort = 0;
    for (let n = 0; n < shape.agents; n++) {
      const name = `build-${n + 1}`;
      const token = gitlab.runnerToken(name);
      const toGitlab = await startProxy({ target: gitlab.port, host: addressOf(n), port: gitlabPort });
      gitlabPort = toGitlab.port;
      const hubPort = Number(new URL(hubs[n % hubs.length]!.url).port);
      const toHub = await startProxy({ target: hubPort, frames: true, ...(shape.tls ? { tls: good } : {}) });
      const gatewayPort = await freePort();
      const toAgent = await startProxy({ target: gatewayPort });
      for (const proxy of [toGitlab, toHub, toAgent]) stops.push(() => proxy.close());
      const { token: enrolment } = await post<{ token: string }>(admin, 'agents', { name });
      const at = shape.tls ? `https://localhost:${toHub.port}` : `http://127.0.0.1:${toHub.port}`;
      const folder = folderOf(
        writeAgentFolder({
          gitlabUrl: `http://${GITLAB_NAME}:${gitlabPort}`,
          principals: false,
          gatewayPort,
          runners: [{ name, token, protected: true }],
          hub: `url: "${at}", enrolment_token_file: enrolment.token`,
          extra: `parking: { handover_confirm: ${CONFIRM_S}s }\n${shape.tls ? 'tls: { ca: authority.pem }\n' : ''}`,
          files: { 'enrolment.token': enrolment, 'authority.pem': `${pem('cert')}${pem('expired')}` },
        }),
      );
      const agent = await memberOf(
        name,
        folder,
        warp,
        (env, spawned) =>
          startAgentProcess(
            join(folder, 'agent.yml'),
            { ...env, FAULTS_NAMES: JSON.stringify({ [GITLAB_NAME]: addressOf(n) }) },
            { program, spawned },
          ),
        (message) => troubles.push(message),
      );
      stops.push(() => agent.end());
      let generation = 0;
      let resting = false;
      let runner: ScriptedRunner | null = null;
      const begin = (): void => {
        const mine = `${name} runner ${++generation}`;
        const one = startScriptedRunner({
          url: `http://127.0.0.1:${toAgent.port}`,
          token,
          version: generation % 3 === 0 ? '17.0' : '18.5',
          exec: 'none',
          concurrent: 3,
          checkIntervalMs: 150,
          work: () => new Promise((resolve) => setTimeout(resolve, 100)),
        });
        one.onStart(({ jobId, lines }) =>
          started.push({ job: jobId, at: Date.now(), runner: mine, agent: name, key: keyIn(lines) }),
        );
        // What it was told to drop while it lived is not its own doing.
        one.onFinish(({ jobId, outcome }) => {
          if (outcome === 'dropped' && runner !== one)
            unbegun.push({ job: jobId, at: Date.now(), runner: mine, agent: name });
        });
        runner = one;
      };
      const end = (): void => {
        void runner?.stop();
        runner = null;
      };
      begin();
      stops.push(end);
      hosts.push({
        name,
        token,
        agent,
        toGitlab,
        toHub,
        toAgent,
        killRunner() {
          end();
          if (!resting) begin();
        },
        rest(on) {
          if (on === resting) return;
          resting = on;
          if (on) end();
          else begin();
        },
      });
    }
    return { shape, gitlab, hosts, hubs, postgres, started, unbegun, troubles, tokens, close };
  } catch (error) {
    await close();
    throw error;
  }
}
