import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, type FakeGitlabOptions, startFakeGitlab } from '../support/fake-gitlab.ts';
import { createMask } from '../support/scripted-runner/mask.ts';
import { readJob } from '../support/scripted-runner/payload.ts';
import { type ScriptedRunner, type ScriptedRunnerOptions, startScriptedRunner } from '../support/scripted-runner.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/gitlab/${name}.json`, import.meta.url), 'utf8');

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
async function gitlab(options: FakeGitlabOptions = {}): Promise<FakeGitlab> {
  const fake = await startFakeGitlab(options);
  closing.push(() => fake.close());
  return fake;
}
function runner(fake: FakeGitlab, options: Partial<ScriptedRunnerOptions> = {}): ScriptedRunner {
  const url = options.url ?? fake.url;
  const one = startScriptedRunner({
    token: fake.runnerToken(),
    version: '18.5',
    exec: 'none',
    checkIntervalMs: 10,
    ...options,
    url,
  });
  closing.push(() => one.stop());
  return one;
}
/** A fixture with these script lines, really harmless ones. */
function scripted(
  fake: FakeGitlab,
  script: string[],
  change: (payload: { steps: object[]; variables: object[] }) => void = () => undefined,
): number {
  return fake.enqueue(fixture('build-image.run1'), {
    mutate: (payload) => {
      payload.steps = [{ name: 'script', script, timeout: 3600, when: 'on_success', allow_failure: false }];
      change(payload as { steps: object[]; variables: object[] });
    },
  });
}
const ended = (fake: FakeGitlab, id: number) =>
  fake.until(`job ${id} to end`, () => ['success', 'failed', 'canceled'].includes(fake.job(id).status));
const states = (fake: FakeGitlab, id: number) =>
  fake.log
    .filter((one) => one.method === 'PUT' && one.path === `/api/v4/jobs/${id}`)
    .map((one) => (JSON.parse(one.body) as { state: string }).state);

describe('the scripted runner runs scripts in a terminal', () => {
  it('line by line, with the job variables, and sends log, checksum and size', async () => {
    const fake = await gitlab();
    const id = scripted(fake, [
      'test -t 1 && echo "a terminal"',
      'echo "stage is $CI_JOB_STAGE in $(basename "$PWD")"',
      'echo "two" | tr a-z A-Z',
    ]);
    const one = runner(fake, { exec: 'pty' });
    await ended(fake, id);
    const job = fake.job(id);
    expect(job.status).toBe('success');
    expect(job.trace).toContain('a terminal\r\n');
    expect(job.trace).toContain('stage is build in project\r\n');
    expect(job.trace).toContain('TWO\r\n');
    expect(job.trace).toContain('$ echo "two" | tr a-z A-Z');
    expect(job.trace).toContain('Job succeeded');
    const bytes = Buffer.from(job.trace);
    const crc = (crc32(bytes) >>> 0).toString(16).padStart(8, '0');
    expect(job.checksum).toEqual({ crc32: `crc32:${crc}`, bytesize: bytes.length });
    await fake.until('the runner to be done', () => one.finished.length === 1);
    expect(one.finished[0]).toMatchObject({ jobId: id, outcome: 'success', exitCode: 0 });
  });

  it('and stops at the first line that fails, with its exit code; after_script still runs', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo before', 'sh -c "exit 7"', 'echo never'], (payload) => {
      payload.steps.push({
        name: 'after_script',
        script: ['echo "after: $CI_JOB_STATUS"'],
        timeout: 60,
        when: 'always',
        allow_failure: true,
      });
    });
    runner(fake, { exec: 'pty' });
    await ended(fake, id);
    const job = fake.job(id);
    expect(job).toMatchObject({ status: 'failed', failureReason: 'script_failure', exitCode: 7 });
    expect(job.trace).toContain('before\r\n');
    expect(job.trace).not.toContain('never');
    expect(job.trace).toContain('after: failed\r\n');
  });

  it('with file variables as files, the last of equal names, and masked values masked', async () => {
    const fake = await gitlab();
    const id = scripted(
      fake,
      ['cat "$CERT"', 'echo " $NAME $SECRET $CI_JOB_TOKEN glpat-abcdefgh12345678"'],
      (payload) => {
        payload.variables.push(
          { key: 'CERT', value: 'the certificate\n', public: false, masked: false, file: true },
          { key: 'NAME', value: 'first', public: true, masked: false },
          { key: 'NAME', value: 'last', public: true, masked: false },
          { key: 'SECRET', value: 'geheim-übergabe', public: false, masked: true },
        );
      },
    );
    runner(fake, { exec: 'pty' });
    await ended(fake, id);
    const { trace, token } = fake.job(id);
    expect(trace).toContain('the certificate\r\n');
    expect(trace).toContain(' last [MASKED] [MASKED] glpat-[MASKED]\r\n');
    expect(trace).not.toContain('geheim');
    expect(trace).not.toContain(token);
  });

  it('and kills what runs when GitLab cancels, gracefully with after_script, else at once', async () => {
    const fake = await gitlab();
    const graceful = scripted(fake, ['echo started', 'while :; do read line; done'], (payload) => {
      payload.steps.push({
        name: 'after_script',
        script: ['echo cleaned'],
        timeout: 60,
        when: 'always',
        allow_failure: true,
      });
    });
    const one = runner(fake, { exec: 'pty', timeScale: 0.005 });
    await fake.until('the first output', () => fake.job(graceful).trace.includes('started\r\n'));
    fake.cancel(graceful);
    await ended(fake, graceful);
    expect(fake.job(graceful)).toMatchObject({ status: 'canceled' });
    expect(fake.job(graceful).trace).toContain('cleaned\r\n');
    const hard = scripted(fake, ['echo started', 'while :; do read line; done']);
    await fake.until('the first output', () => fake.job(hard).trace.includes('started\r\n'));
    fake.cancel(hard, { graceful: false });
    await fake.until('the runner to give up', () => one.finished.length === 2);
    expect(one.finished.map((job) => job.outcome)).toEqual(['canceled', 'aborted']);
    expect(fake.job(hard).trace).not.toContain('canceled');
  });
});

describe('the scripted runner stops', () => {
  it('with all that it started, and its folder gone', async () => {
    const fake = await gitlab();
    const length = `9${process.pid}.25`;
    const id = scripted(fake, ['echo "here: $PWD"', `sleep ${length} & sleep ${length}`]);
    const one = runner(fake, { exec: 'pty' });
    await fake.until('two sleeps', () => processesWith(length).length === 2);
    await fake.until('the folder to be told', () => /here: \/\S+/.test(fake.job(id).trace));
    const folder = /here: (\/\S+)/.exec(fake.job(id).trace)?.[1] ?? '';
    expect(existsSync(folder)).toBe(true);
    await one.stop();
    await fake.until('the sleeps to be gone', () => processesWith(length).length === 0);
    expect(existsSync(folder)).toBe(false);
    expect(one.finished.map((job) => job.outcome)).toEqual(['aborted']);
  });
});

/** Ids of processes with this word on their command line. */
function processesWith(word: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(word);
    } catch {
      return false; // it ended while the list was read
    }
  });
}

describe('the scripted runner masks a stream', () => {
  it('wherever a chunk ends', () => {
    const job = readJob(
      '{"id":1,"token":"glcbt-tok","variables":[{"key":"A","value":"password","masked":true},{"key":"B","value":"pass","masked":true}],"features":{"token_mask_prefixes":["glpat-"]}}',
    );
    const text = 'xx password yy pass zz glpat-abcDEF123 glcbt-tok wor passwor';
    for (let size = 1; size <= text.length; size += 1) {
      const mask = createMask(job);
      let out = '';
      for (let at = 0; at < text.length; at += size)
        out += mask.push(Buffer.from(text.slice(at, at + size))).toString();
      out += mask.end().toString();
      expect(out).toBe('xx [MASKED] yy [MASKED] zz glpat-[MASKED] [MASKED] wor [MASKED]wor');
    }
  });
});

describe('a runner of 18.5', () => {
  it('says running before it runs anything, and drops a job that died meanwhile without a word', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo x']);
    fake.fail({
      match: (method, path) => method === 'PUT' && path.endsWith(`/${id}`),
      how: 'status',
      status: 403,
      headers: { 'Job-Status': 'failed' },
      times: 1,
    });
    const one = runner(fake);
    await fake.until('the job to be dropped', () => one.finished.length === 1);
    expect(one.finished[0]?.outcome).toBe('dropped');
    expect(one.started).toEqual([]);
    expect(states(fake, id)).toEqual(['running']);
  });

  it('fails a job that is canceling when it arrives', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo x']);
    fake.fail({ match: (method) => method === 'POST', how: 'delay', delayMs: 60, times: 1 });
    const one = runner(fake);
    await fake.until('the assignment', () => fake.job(id).status === 'running');
    fake.cancel(id);
    await fake.until('the job to end', () => one.finished.length === 1);
    expect(one.started).toEqual([]);
    expect([states(fake, id), fake.job(id).status]).toEqual([['running', 'failed'], 'canceled']);
  });
});

describe('a runner of 17.0', () => {
  it('runs at once and learns of a dead job at its first update', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo x']);
    fake.fail({ match: (method) => method === 'POST', how: 'delay', delayMs: 60, times: 1 });
    const one = runner(fake, { version: '17.0', work: () => new Promise(() => undefined) });
    await fake.until('the assignment', () => fake.job(id).status === 'running');
    fake.cancel(id, { graceful: false });
    await fake.until('the job to end', () => one.finished.length === 1);
    expect([one.started.length, one.finished[0]?.outcome, states(fake, id)]).toEqual([1, 'aborted', []]);
  });
});

describe('the scripted runner asks for jobs as the real one', () => {
  it('with info, features, session, system id and the last queue value it saw', async () => {
    const fake = await gitlab();
    const one = runner(fake, { systemId: 's_abc' });
    await fake.until('two polls', () => one.polls.length >= 2);
    const [first, second] = fake.log.map((call) => JSON.parse(call.body));
    expect(first).toMatchObject({
      system_id: 's_abc',
      last_update: '',
      info: {
        name: 'gitlab-runner',
        features: { terminal: true, two_phase_job_commit: true, cancel_gracefully: true },
      },
    });
    expect(first.session.authorization).toMatch(/^[0-9a-f]{32}$/);
    expect(second.last_update).toMatch(/^[0-9a-f]{32}$/);
    expect(second.session.authorization).not.toBe(first.session.authorization);
    expect(fake.log[0]?.headers['user-agent']).toContain('gitlab-runner 18.5');
  });

  it('repeats 429 and 5xx up to five times within one poll, and stays healthy', async () => {
    const fake = await gitlab();
    fake.fail({ match: () => true, how: 'status', status: 503, headers: { 'Retry-After': '1' }, times: 5 });
    const one = runner(fake);
    await fake.until('an answer', () => one.polls.length >= 2);
    expect(one.polls.slice(0, 2).map((poll) => poll.status)).toEqual([503, 204]);
    expect(fake.log.slice(0, 6).map((call) => call.status)).toEqual([503, 503, 503, 503, 503, 204]);
    expect(one.healthy()).toBe(true);
  });

  it('gives a token up after three 403 in a row', async () => {
    const fake = await gitlab();
    const one = runner(fake, { token: 'glrt-wrong' });
    await fake.until('the third refusal', () => one.polls.length === 3);
    expect(one.healthy()).toBe(false);
    await fake.until('nothing more to come', () => Date.now() - (one.polls[2]?.at ?? 0) > 60);
    expect(one.polls.length).toBe(3);
  });

  it('T47 re-posts token and body to wherever a 307 points, and asks with GET after a 302', async () => {
    const fake = await gitlab();
    const seen: { method: string; token: string; header: string }[] = [];
    const elsewhere = await server(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const token = body === '' ? '' : JSON.parse(body).token;
      seen.push({ method: request.method ?? '', token, header: String(request.headers['runner-token']) });
      response.writeHead(204).end();
    });
    const to = (status: number) =>
      fake.fail({ match: () => true, how: 'redirect', status, headers: { Location: `${elsewhere}/take` }, times: 1 });
    to(307);
    const one = runner(fake);
    await fake.until('the first hop', () => seen.length === 1);
    to(302);
    await fake.until('the second hop', () => seen.length === 2);
    await one.stop();
    const token = fake.runnerToken();
    expect(seen).toEqual([
      { method: 'POST', token, header: token },
      { method: 'GET', token: '', header: token },
    ]);
  });

  it('counts an answer that is no JSON, or cut, as no job', async () => {
    const fake = await gitlab();
    for (const how of ['content-type', 'cut-json', 'truncate', 'garbage', 'reset'] as const) {
      fake.fail({ match: () => true, how, times: 1 });
    }
    for (let n = 0; n < 3; n += 1) scripted(fake, ['echo x']);
    const one = runner(fake);
    await fake.until('five answers', () => one.polls.length >= 5);
    expect(one.polls.slice(0, 5).map((poll) => poll.status)).toEqual([-1, -1, 0, 0, 0]);
    expect(one.started).toEqual([]);
  });
});

describe('the scripted runner keeps its log', () => {
  it('T42 believes a 416 and skips bytes of its own', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo x']);
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    // The note is there before the runner's first patch, which the end of the job brings at once.
    runner(fake, { output: 'abcdef', updateIntervalMs: 10_000, work: () => begun });
    await fake.until('the job to run', () => fake.job(id).status === 'running' && states(fake, id).length === 1);
    const note = await fetch(`${fake.url}/api/v4/jobs/${id}/trace`, {
      method: 'PATCH',
      headers: { 'JOB-TOKEN': fake.job(id).token, 'Content-Range': '0-9' },
      body: 'NOTE-NOTE\n',
    });
    expect(note.status).toBe(202);
    begin();
    await ended(fake, id);
    const { trace } = fake.job(id);
    expect(trace.startsWith('NOTE-NOTE\nth gitlab-runner')).toBe(true);
    expect(fake.log.some((call) => call.status === 416)).toBe(true);
  });

  it('says that it lives when there is nothing to write', async () => {
    const fake = await gitlab();
    const id = scripted(fake, ['echo x']);
    let end: () => void = () => undefined;
    const work = new Promise<void>((resolve) => {
      end = resolve;
    });
    runner(fake, { timeScale: 0.004, work: () => work });
    await fake.until('two signs of life after the first', () => states(fake, id).length >= 3);
    expect(new Set(states(fake, id))).toEqual(new Set(['running']));
    end();
    await ended(fake, id);
    expect(states(fake, id).at(-1)).toBe('success');
  });

  it('sends all of it again from the beginning after 412, and gives up after ten refused final updates', async () => {
    const fake = await gitlab();
    const first = scripted(fake, ['echo x']);
    const isFinal = (id: number) => (method: string, path: string) =>
      method === 'PUT' && path.endsWith(`/${id}`) && fake.job(id).trace.includes('Job succeeded');
    fake.fail({ match: isFinal(first), how: 'status', status: 412, times: 1 });
    const one = runner(fake, { timeScale: 0.0001 });
    await ended(fake, first);
    const ranges = fake.log.filter((call) => call.method === 'PATCH').map((call) => call.headers['content-range']);
    expect(ranges.filter((range) => range?.startsWith('0-')).length).toBe(2);
    const second = scripted(fake, ['echo x']);
    fake.fail({ match: isFinal(second), how: 'reset' });
    await fake.until('the runner to give up', () => one.finished.length === 2);
    expect(fake.job(second).status).toBe('running');
    const finals = fake.log.filter((call) => call.path.endsWith(`/${second}`) && call.body.includes('"success"'));
    expect(finals.length).toBe(10);
  });

  it('sends the final update again after 202 and after 5xx', async () => {
    const fake = await gitlab({ unpersistedChunks: 2 });
    const id = scripted(fake, ['echo x']);
    fake.fail({
      match: (method, path) => method === 'PUT' && path.includes('/jobs/') && fake.job(id).trace.includes('succeeded'),
      how: 'status',
      status: 500,
      times: 6,
    });
    runner(fake);
    await ended(fake, id);
    const finals = fake.log
      .filter((call) => call.method === 'PUT' && call.body.includes('"success"'))
      .map((call) => call.status);
    expect(finals).toEqual([500, 500, 500, 500, 500, 500, 202, 202, 200]);
  });
});

describe('the scripted runner reads JSON as Go does', () => {
  it('T53 the last key wins under case folding, trailing data is not read, null leaves a field alone', () => {
    const text =
      '{"id":1,"Token":"glcbt-a","steps":[{"name":"script","script":["good"]}],"\u017fteps":[{"Name":"script","\u017fcript":["evil"]}],"job_info":{"name":"a"},"JOB_INFO":{"stage":"s"},"id":null} trailing';
    expect(readJob(text)).toMatchObject({
      id: 1,
      token: 'glcbt-a',
      steps: [{ name: 'script', script: ['evil'] }],
      job_info: { name: 'a', stage: 's' },
    });
    expect(() => readJob('{"id":"1"}')).toThrow(/Go struct field/);
    expect(() => readJob('{"id":1,}')).toThrow(SyntaxError);
    expect(readJob('{"variables":[{"key":"A","value":null}]}').variables[0]?.value).toBe('');
  });
});

async function server(handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Promise<string> {
  const one: Server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        one.close(resolve);
        one.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
}
