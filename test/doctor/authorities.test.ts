import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { type DoctorHost, openDoctorHost } from '../support/doctor-host.ts';
import { holdpoint } from '../support/holdpoint-process.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string): string => join(ROOT, 'test/fixtures/tls', `${name}.pem`);

let host: DoctorHost;
let server: Server;
beforeEach(async () => {
  host = await openDoctorHost();
  const [cert, key] = [readFileSync(fixture('cert')), readFileSync(fixture('key'))];
  server = createServer({ cert, key }, (_, res) => res.writeHead(401).end('{"message":"401"}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host.edit('agent/agent.yml', host.gitlab.url, `https://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await host.close();
});

it('the authority of gitlab.ca is trusted beside the usual ones, as gitlab-runner does with the same file', async () => {
  const look = async (of: string, env: Record<string, string> = {}) => {
    const args = ['doctor', '--json', '--config', host.at('agent/agent.yml'), '--gitlab-ca', fixture(of)];
    const { out, err } = await holdpoint(args, env);
    const found = JSON.parse(out || err).findings as readonly Finding[];
    return found.find(({ check }) => check === 'gitlab');
  };
  // It is reached, and takes no token.
  const reached = { status: 'warn', message: expect.stringContaining('token') };
  expect(await look('cert')).toMatchObject(reached);
  expect(await look('expired')).toMatchObject({ status: 'fail', message: expect.stringContaining('certificate') });
  expect(await look('expired', { NODE_EXTRA_CA_CERTS: fixture('cert') })).toMatchObject(reached);
});
