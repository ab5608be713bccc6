import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executorContract } from './executor-contract.ts';

executorContract(
  'dummy',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-dummy-'));
    return {
      config: `driver: dummy\nreceipts: off\ngrace: 500ms\nwork_dir: ${folder}\n`,
      job: {},
      left: async () => readdirSync(folder),
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
  },
  30_000,
);
