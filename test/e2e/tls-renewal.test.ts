import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig, loadHubConfig } from '../../agent/src/config/load.ts';
import { startAgent } from '../../agent/src/wiring.ts';
import { type RunningHub, startHub } from '../../agent/src/wiring-hub.ts';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { eventually } from '../support/hub-server.ts';
import { hubLog } from '../support/hub-world.ts';
import { writeAgentFolder, writeHubFolder } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const fixture = (name: string) => join(ROOT, 'test/fixtures/tls', `${name}.pem`);
const pem = (name: string) => readFileSync(fixture(name), 'utf8');
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const MINUTE = 60_000;

describe('a renewed certificate', { timeout: 60_000 }, () => {
  it('is served without a restart; a broken one is said and not taken; agents go on, and trust the renewed authority', async () => {
    const gitlab = await startFakeGitlab({});
    stops.push(() => gitlab.close());
    const files = { 'hub.pem': pem('cert') };
    const extra = 'tls: { cert: hub.pem, key: hub.key }';
    const folder = writeHubFolder({ gitlabUrl: gitlab.url, listen: 'localhost:0', extra, files });
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
    const [cert, key] = [join(folder, 'hub.pem'), join(folder, 'hub.key')];
    writeFileSync(key, pem('key'), { mode: 0o600 });
    const [clock, log] = [turnableClock(), hubLog()];
    const started = async (): Promise<RunningHub> => {
      const flags = { config: join(folder, 'hub.yml') };
      const hub = await startHub(loadHubConfig({ flags, env: {}, cwd: folder }), { clock, log });
      stops.push(() => hub.stop());
      return hub;
    };
    const hub = await started();
    const url = new URL(hub.hubUrl);
    const port = Number(url.port);
    const ask = async <T>(method: string, path: string, token: string | null, body?: object): Promise<T> => {
      const socket = await open();
      const text = body === undefined ? '' : JSON.stringify(body);
      const answer = await say(socket, method, path, token, text);
      socket.destroy();
      return (answer.startsWith('{') ? JSON.parse(answer) : answer) as T;
    };
    const open = () =>
      new Promise<TLSSocket>((resolve, reject) => {
        const socket = connect(
          { port, host: 'localhost', servername: 'localhost', ca: [pem('cert'), pem('renewed')] },
          () => resolve(socket),
        );
        socket.once('error', reject);
      });
    const served = async (): Promise<string> => {
      const socket = await open();
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const first = await served();
    const problem = async () =>
      /^holdpoint_hub_tls_problem (\d)/m.exec(await ask<string>('GET', '/metrics', null))?.[1];

    const admin = await ask<{ token: string }>('POST', '/api/v1/tokens', hub.bootstrapToken, {
      user: 'maria',
      scopes: ['read', 'admin'],
    });
    const invited = await ask<{ token: string }>('POST', '/api/v1/agents', admin.token, { name: 'build-1' });
    const runnerToken = gitlab.runnerToken('build-1');
    const host = writeAgentFolder({
      gitlabUrl: gitlab.url,
      principals: false,
      runners: [{ name: 'build-1', token: runnerToken, protected: true }],
      hub: `url: "https://localhost:${port}", enrolment_token_file: enrolment.token`,
      extra: 'tls: { ca: ca.pem }',
      files: { 'enrolment.token': invited.token, 'ca.pem': pem('cert') },
    });
    stops.push(() => rmSync(host, { recursive: true, force: true }));
    const agentConfig = loadConfig({ flags: { config: join(host, 'agent.yml') }, env: {}, cwd: host });
    const agent = await startAgent(agentConfig, { clock, log, examine: false });
    stops.push(() => agent.stop());
    const linked = async () =>
      (await ask<{ items: { connected: boolean; since: string }[] }>('GET', '/api/v1/agents', admin.token)).items[0];
    const { since } = (await eventually(linked, (seen) => seen?.connected === true))!;
    const standing = await open();

    // Half of it: the key of the old certificate stands beside the new one.
    copyFileSync(fixture('renewed'), cert);
    clock.advance(MINUTE);
    expect([await served(), await problem()]).toEqual([first, '1']);
    const errors = log.lines.filter(({ level }) => level === 'error');
    expect(errors).toMatchObject([
      { message: 'the certificate of the hub was renewed and cannot be used: the last good one stays' },
    ]);
    expect(errors[0]!.fields.reason).toContain('is not the key of tls.cert');
    clock.advance(MINUTE);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);

    writeFileSync(key, pem('renewed-key'), { mode: 0o600 });
    clock.advance(MINUTE);
    expect(await served()).not.toBe(first);
    expect(await problem()).toBe('0');
    expect(await say(standing, 'GET', '/healthz', null, '')).toContain('ok');
    standing.destroy();
    expect(await linked()).toMatchObject({ connected: true, since });

    // The agent hears of the new authority by itself, and comes back to a hub that has the new certificate alone.
    writeFileSync(join(host, 'ca.pem'), 'nothing');
    clock.advance(MINUTE);
    copyFileSync(fixture('renewed'), join(host, 'ca.pem'));
    clock.advance(MINUTE);
    expect(log.lines.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        'the authority of the hub (tls.ca) was renewed and cannot be used: the last good one stays',
        'the authority of the hub (tls.ca) was renewed',
      ]),
    );
    await hub.stop();
    const yml = join(folder, 'hub.yml');
    writeFileSync(yml, readFileSync(yml, 'utf8').replace('localhost:0', `localhost:${port}`));
    await started();
    await eventually(
      async () => {
        clock.advance(1_000);
        return linked();
      },
      (seen) => seen?.connected === true && seen.since !== since,
      20_000,
    );
  });
});

/** One request on a connection that stays. */
function say(socket: TLSSocket, method: string, path: string, token: string | null, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const take = (part: Buffer): void => {
      text += part.toString();
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      const answer = rest.join('\r\n\r\n');
      if (Buffer.byteLength(answer) < length || Number.isNaN(length)) return;
      socket.off('data', take);
      resolve(answer);
    };
    socket.on('data', take);
    socket.once('error', reject);
    const auth = token === null ? '' : `authorization: Bearer ${token}\r\n`;
    const type = body === '' ? '' : 'content-type: application/json\r\n';
    const length = `content-length: ${Buffer.byteLength(body)}\r\n`;
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${auth}${type}${length}\r\n${body}`);
  });
}
