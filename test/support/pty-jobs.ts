import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutorWorld } from '../contract/executors/executor-contract.ts';

/** Numbers that no user of the host has; those of two test files at once differ. */
export const UIDS = Array.from({ length: 4 }, (_, index) => 700_000 + (process.pid % 20_000) * 4 + index);

/** Processes of a user that are there now, by number. */
export function processesOf(uid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return new RegExp(`^Uid:.*\\b${uid}\\b`, 'm').test(status) && !/^State:\tZ/m.test(status);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Jobs in terminals of this host, as users of the test's own. Made by root alone. */
export function ptyWorld(more = '', users = UIDS.map((uid) => `${uid}:${uid}`).join(' ')) {
  if (process.getuid?.() !== 0) throw new Error('these tests run jobs as other users, which takes root');
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-pty-'));
  chmodSync(folder, 0o711);
  const sessions = () => readdirSync(folder).filter((name) => name !== 'users');
  const world: ExecutorWorld = {
    config: `driver: pty\nreceipts: off\ngrace: 500ms\nwork_dir: ${folder}\npty:\n  users: ${users}\n${more}`,
    job: {},
    terminal: true,
    left: async () => [
      ...sessions(),
      ...(existsSync(join(folder, 'users')) ? readdirSync(join(folder, 'users')) : []).map((name) => {
        const { session } = JSON.parse(readFileSync(join(folder, 'users', name), 'utf8'));
        return `${name} of ${session}`;
      }),
      ...UIDS.flatMap(processesOf).map((pid) => `process ${pid}`),
    ],
    running: async (job) =>
      readdirSync('/proc').filter((pid) => {
        try {
          return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(join(folder, `${job}-`));
        } catch {
          return false;
        }
      }),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
  return { folder, world };
}
