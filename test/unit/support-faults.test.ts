import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, type FaultRule, startFakeGitlab } from '../support/fake-gitlab.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/gitlab/${name}.json`, import.meta.url), 'utf8');

const open: FakeGitlab[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
async function gitlab(): Promise<FakeGitlab> {
  const fake = await startFakeGitlab();
  open.push(fake);
  return fake;
}

interface Outcome {
  status: number;
  text: string;
  complete: boolean;
  error: string | null;
  headers: Record<string, unknown>;
}
/** One poll over a plain socket, telling exactly how it ended. */
function poll(fake: FakeGitlab, timeoutMs = 2_000): Promise<Outcome> {
  const body = JSON.stringify({ token: fake.runnerToken(), info: {} });
  return new Promise((resolve) => {
    const outcome: Outcome = { status: 0, text: '', complete: false, error: null, headers: {} };
    const done = (error: string | null) => resolve({ ...outcome, error });
    const call = request(
      `${fake.url}/api/v4/jobs/request`,
      { method: 'POST', timeout: timeoutMs, agent: false },
      (answer) => {
        outcome.status = answer.statusCode ?? 0;
        outcome.headers = answer.headers;
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          outcome.text += chunk;
        });
        answer.on('error', (error) => done(error.message));
        answer.on('end', () => {
          outcome.complete = answer.complete;
          done(null);
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', (error) => done((error as { code?: string }).code ?? error.message));
    call.end(body);
  });
}
const faulty = async (rule: Partial<FaultRule> & Pick<FaultRule, 'how'>) => {
  const fake = await gitlab();
  const id = fake.enqueue(fixture('build-image.run1'));
  const undo = fake.fail({
    match: (method, path) => method === 'POST' && path === '/api/v4/jobs/request',
    times: 1,
    ...rule,
  });
  return { fake, id, undo };
};

describe('a fault of the fake GitLab', () => {
  it('status: says so and does nothing', async () => {
    const { fake, id } = await faulty({
      how: 'status',
      status: 409,
      body: '{"message":"409 Conflict"}',
      headers: { 'X-Extra': 'yes' },
    });
    expect(await poll(fake)).toMatchObject({
      status: 409,
      text: '{"message":"409 Conflict"}',
      headers: { 'x-extra': 'yes' },
    });
    expect(fake.job(id).status).toBe('pending');
    expect((await poll(fake)).status).toBe(201);
  });

  it('reset: the connection dies and nothing was done', async () => {
    const { fake, id } = await faulty({ how: 'reset' });
    expect(await poll(fake)).toMatchObject({ status: 0, error: 'ECONNRESET' });
    expect(fake.job(id)).toMatchObject({ status: 'pending', handOuts: 0 });
  });

  it('hang: there is no answer', async () => {
    const { fake, id } = await faulty({ how: 'hang' });
    expect(await poll(fake, 100)).toMatchObject({ status: 0, error: 'no answer in time' });
    expect(fake.job(id).status).toBe('pending');
    expect(fake.log[0]?.status).toBe(0);
  });

  it('garbage: bytes that are no HTTP', async () => {
    const { fake } = await faulty({ how: 'garbage' });
    expect((await poll(fake)).error).toMatch(/^HPE_/);
  });

  it('close-after-assign: the job is assigned and the connection dies unanswered', async () => {
    const { fake, id } = await faulty({ how: 'close-after-assign' });
    expect(await poll(fake)).toMatchObject({ status: 0, text: '' });
    expect(fake.job(id)).toMatchObject({ status: 'running', handOuts: 1 });
  });

  it('truncate: the job is assigned and its payload ends in the middle', async () => {
    const { fake, id } = await faulty({ how: 'truncate' });
    const cut = await poll(fake);
    expect(cut).toMatchObject({ status: 201, complete: false, error: 'aborted' });
    expect(fake.job(id).payload?.startsWith(cut.text)).toBe(true);
  });

  it('cut-json: a complete answer whose JSON ends in the middle', async () => {
    const { fake, id } = await faulty({ how: 'cut-json' });
    const cut = await poll(fake);
    expect(cut).toMatchObject({ status: 201, complete: true, error: null });
    expect(() => JSON.parse(cut.text)).toThrow();
    expect(fake.job(id).status).toBe('running');
  });

  it('slow: the whole answer, in drops', async () => {
    const { fake, id } = await faulty({ how: 'slow', delayMs: 120 });
    const begun = Date.now();
    const answer = await poll(fake);
    expect(Date.now() - begun).toBeGreaterThan(100);
    expect(answer.text).toBe(fake.job(id).payload);
  });

  it('delay: the job is assigned at once, the answer comes later', async () => {
    const { fake, id } = await faulty({ how: 'delay', delayMs: 150 });
    const answer = poll(fake);
    await fake.until('the assignment', () => fake.job(id).status === 'running');
    expect((await answer).status).toBe(201);
  });

  it('redirect: to the same or another origin, nothing done', async () => {
    const { fake, id } = await faulty({
      how: 'redirect',
      status: 308,
      headers: { Location: 'https://elsewhere.example.net/' },
    });
    expect(await poll(fake)).toMatchObject({ status: 308, headers: { location: 'https://elsewhere.example.net/' } });
    expect(fake.job(id).status).toBe('pending');
  });

  it('duplicate: the last job once more', async () => {
    const { fake } = await faulty({ how: 'duplicate', match: () => fake.log.length > 1 });
    const first = await poll(fake);
    const second = await poll(fake);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.text).toBe(first.text);
  });

  it('content-type: a job that is called HTML', async () => {
    const { fake } = await faulty({ how: 'content-type' });
    expect(await poll(fake)).toMatchObject({ status: 201, headers: { 'content-type': 'text/html' } });
  });

  it('huge: a 201 of as many bytes as told', async () => {
    const { fake, id } = await faulty({ how: 'huge', bytes: 8 * 1024 * 1024 });
    const answer = await poll(fake, 10_000);
    expect([answer.status, answer.text.length > 8 * 1024 * 1024]).toEqual([201, true]);
    expect(fake.job(id).status).toBe('pending');
  });

  it('late-read: an upload meets back-pressure, and is whole in the end', async () => {
    const { fake, id } = await faulty({
      how: 'late-read',
      delayMs: 150,
      match: (_, path) => path.endsWith('/artifacts'),
    });
    await poll(fake);
    const size = 24 * 1024 * 1024;
    const content = Buffer.alloc(size);
    const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="big.zip"\r\n\r\n';
    let drainedAt = 0;
    const answered = await new Promise<number>((resolve, reject) => {
      const call = request(
        `${fake.url}/api/v4/jobs/${id}/artifacts`,
        {
          method: 'POST',
          headers: { 'JOB-TOKEN': fake.job(id).token, 'Content-Type': 'multipart/form-data; boundary=b' },
        },
        (answer) => resolve(answer.resume().statusCode ?? 0),
      );
      call.on('error', reject);
      call.write(head);
      call.write(content, () => {
        drainedAt = Date.now();
      });
      call.end('\r\n--b--\r\n');
    });
    const at = fake.log.find((one) => one.path.endsWith('/artifacts'))?.at ?? 0;
    expect([answered, fake.job(id).artifacts[0]?.sizeBytes]).toEqual([201, size]);
    expect(drainedAt - at).toBeGreaterThan(100);
  });

  it('strikes as often as told, and not after it was taken back', async () => {
    const { fake, undo } = await faulty({ how: 'status', status: 500, times: 3 });
    expect([(await poll(fake)).status, (await poll(fake)).status]).toEqual([500, 500]);
    undo();
    expect((await poll(fake)).status).toBe(201);
  });
});

describe('the fake GitLab stores artifacts', () => {
  const running = async () => {
    const fake = await gitlab();
    const id = fake.enqueue(fixture('build-image.run1'));
    await poll(fake);
    return { fake, id, token: fake.job(id).token };
  };
  const upload = (fake: FakeGitlab, id: number, token: string, content: Uint8Array) => {
    const form = new FormData();
    form.append('file', new Blob([content]), 'out.zip');
    const url = `${fake.url}/api/v4/jobs/${id}/artifacts?artifact_format=zip&artifact_type=archive`;
    return fetch(url, { method: 'POST', headers: { 'JOB-TOKEN': token }, body: form });
  };

  it('as size and hash, wherever the chunks of the upload end', async () => {
    const { fake, id, token } = await running();
    const content = Buffer.alloc(3 * 1024 * 1024 + 17, 'holdpoint\r\n--almost a boundary');
    expect((await upload(fake, id, token, content)).status).toBe(201);
    const hash = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    expect(fake.job(id).artifacts).toEqual([{ name: 'out.zip', sizeBytes: content.length, hash }]);
    expect((await upload(fake, id, 'glcbt-wrong', content)).status).toBe(403);
  });

  it('and gives them back: streamed, or from another origin with a signature', async () => {
    const { fake, id, token } = await running();
    await upload(fake, id, token, Buffer.from('small archive'));
    const url = `${fake.url}/api/v4/jobs/${id}/artifacts`;
    const headers = { 'JOB-TOKEN': token };
    expect(await (await fetch(url, { headers })).text()).toBe('small archive');
    const moved = await fetch(`${url}?direct_download=true`, { headers, redirect: 'manual' });
    const location = moved.headers.get('location') ?? '';
    expect([moved.status, new URL(location).origin]).toEqual([302, fake.objectStorageUrl]);
    expect(await (await fetch(location)).text()).toBe('small archive');
    expect((await fetch(location.replace(/=.*/, '=forged'))).status).toBe(403);
    expect((await fetch(url, { headers: { 'JOB-TOKEN': 'glcbt-wrong' } })).status).toBe(401);
  });

  it('generated ones of any size, whose hash is known', async () => {
    const { fake, id, token } = await running();
    const made = fake.putArtifact(id, 5_000_001);
    const answer = await fetch(`${fake.url}/api/v4/jobs/${id}/artifacts`, { headers: { 'JOB-TOKEN': token } });
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect([bytes.length, `sha256:${createHash('sha256').update(bytes).digest('hex')}`]).toEqual([
      made.sizeBytes,
      made.hash,
    ]);
  });
});
