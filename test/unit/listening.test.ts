import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listeningPorts } from '../../agent/src/executors/docker/listening.ts';

const ID = 'f1c1e45bed1c7b957e7fbf6b611394aab8b5277a061eb66d9fd84e270bf90636';
const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state: string) => `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 0\n`;
let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'holdpoint-proc-'));
  mkdirSync(join(proc, '42/net'), { recursive: true });
  writeFileSync(join(proc, '42/cgroup'), `0::/docker/${ID}\n`);
  const four = row('00000000:1770', '0A') + row('0B00007F:A411', '0A') + row('020012AC:1771', '01');
  const six =
    row(`${'0'.repeat(32)}:1538`, '0A') +
    row(`${'0'.repeat(24)}01000000:1539`, '0A') +
    row(`${'0'.repeat(16)}FFFF00000100007F:153A`, '0A');
  writeFileSync(join(proc, '42/net/tcp'), HEAD + four);
  writeFileSync(join(proc, '42/net/tcp6'), HEAD + six);
});
afterEach(() => rmSync(proc, { recursive: true, force: true }));

it('a port counts when somebody listens on it for others: not on the loopback, and not what is only connected', () => {
  expect([...listeningPorts(ID, 42, proc)!]).toEqual([6000, 5432]);
});

it('nothing is known of a process that is not there, or is none of that container', () => {
  expect(listeningPorts(ID, 43, proc)).toBeNull();
  expect(listeningPorts(ID, 0, proc)).toBeNull();
  writeFileSync(join(proc, '42/cgroup'), '0::/user.slice\n');
  expect(listeningPorts(ID, 42, proc)).toBeNull();
});
