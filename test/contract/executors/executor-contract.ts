import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  BUILD_FAILURE,
  type CustomJob,
  CustomRunner,
  type JobParts,
  SYSTEM_FAILURE,
} from '../../support/custom-runner.ts';
import { ownScript, stageScript } from '../../support/runner-scripts.ts';

/** A driver in a place where it can run jobs. */
export interface ExecutorWorld {
  /** Text of executor.yml; receipts are off in it. */
  readonly config: string;
  /** What a job of this driver names. */
  readonly job: JobParts;
  /** True where a stage prints to a terminal, which has one stream for both. */
  readonly terminal?: boolean;
  /** What jobs have on the host now: containers, folders, processes; empty when all is gone. */
  left(): Promise<readonly string[]>;
  /** What runs of a stage of this job now. */
  running(job: number): Promise<readonly string[]>;
  /** True where another driver is tried with a process for each call: here only those tests are in which it matters. */
  readonly isNear?: boolean;
  stop(): Promise<void>;
}

/** What every driver does, tried from outside: the built program is called as gitlab-runner calls it. */
export function executorContract(name: string, open: () => Promise<ExecutorWorld>, openMs: number): void {
  describe(`the executor with driver ${name}`, { timeout: 60_000 }, () => {
    let world: ExecutorWorld;
    let runner: CustomRunner;
    /** The same without a process for each call, where processes of the executor are not the point. */
    let near: CustomRunner;
    const jobs: CustomJob[] = [];
    const job = (parts: JobParts = {}, by = runner): CustomJob => {
      const made = by.job({ ...world.job, ...parts });
      jobs.push(made);
      return made;
    };
    const prepared = async (by = runner): Promise<CustomJob> => {
      const made = job({}, by);
      expect(await made.call('prepare')).toMatchObject({ code: 0 });
      return made;
    };
    beforeAll(async () => {
      world = await open();
      runner = new CustomRunner(world.config);
      near = new CustomRunner(world.config, { inProcess: true });
    }, openMs);
    afterEach(async () => {
      for (const made of jobs.splice(0)) expect(await made.call('cleanup')).toMatchObject({ code: 0 });
      expect(await world.left()).toEqual([]);
    });
    afterAll(async () => {
      await Promise.all([runner?.stop(), near?.stop()]);
      await world?.stop();
    }, openMs);

    it('runs all stages in order in one working copy, and what they print comes in order on its own stream', async () => {
      const one = job({}, world.isNear ? near : runner);
      const config = await one.call('config');
      const { builds_dir: builds, cache_dir: cache, driver } = JSON.parse(config.out);
      expect({ code: config.code, driver }).toMatchObject({ code: 0, driver: { name: `holdpoint ${name}` } });
      expect([builds, cache]).toEqual([expect.stringMatching(/^\//), expect.stringMatching(/^\//)]);
      expect(await one.call('prepare')).toMatchObject({ code: 0 });
      const place = `${builds}/acme/api`;
      const stages: [string, string][] = [
        ['prepare_script', ownScript(['echo "Running on $(hostname)..."'])],
        ['get_sources', ownScript([`mkdir -p ${place}`, `cd ${place}`, 'echo "#!/bin/sh" > deploy.sh'])],
        ['restore_cache', ownScript(['echo cache'])],
        ['download_artifacts', ownScript(['echo artifacts'])],
        ['step_script', stageScript([`cd ${place}`, 'cat deploy.sh', 'echo "$GREETING"', 'echo made > made'])],
        ['after_script', stageScript([`cd ${place}`, 'cat made'])],
        ['archive_cache', ownScript(['echo archived'])],
        ['upload_artifacts_on_success', ownScript([`cat ${place}/made`])],
        ['cleanup_file_variables', ownScript([`rm -f ${place}/made`, `ls ${place}`])],
      ];
      const said: string[] = [];
      for (const [stage, script] of stages) {
        const ran = await one.stage(stage, script);
        expect([stage, ran.code, ran.err]).toEqual([stage, 0, '']);
        said.push(ran.out);
      }
      expect(said[4]).toContain('#!/bin/sh\n');
      expect(said[4]).toContain('it\'s "fine"\nand $HOME is not expanded\n');
      expect(said[4]!.indexOf('$ cat deploy.sh')).toBeLessThan(said[4]!.indexOf('#!/bin/sh'));
      expect([said[5]!.endsWith('made\n'), said[7], said[8]]).toEqual([true, 'made\n', 'deploy.sh\n']);

      const lines = await one.stage('step_script', 'for i in $(seq 2000); do echo line $i; done; echo bad >&2\n');
      const numbered = Array.from({ length: 2000 }, (_, index) => `line ${index + 1}\n`).join('');
      expect([lines.out, lines.err]).toEqual(world.terminal ? [`${numbered}bad\n`, ''] : [numbered, 'bad\n']);
      const bytes = await one.stage('step_script', 'printf "\\000\\377\\n"; head -c 300000 /dev/zero; echo over\n');
      expect([bytes.out.length, bytes.out.slice(0, 4), bytes.out.slice(-6)]).toEqual([
        300_008,
        '\0\xff\n\0',
        '\0over\n',
      ]);
    });

    it("tells the job's failure from the host's, and the job's own exit code beside it", async () => {
      const one = await prepared(world.isNear ? near : runner);
      expect(await one.stage('step_script', stageScript(['exit 7']))).toMatchObject({ code: BUILD_FAILURE });
      expect(one.exitCode()).toBe(7);
      // No number that a job chooses is a failure of the host, which would be tried again.
      expect(await one.stage('step_script', stageScript([`exit ${SYSTEM_FAILURE}`]))).toMatchObject({
        code: BUILD_FAILURE,
      });
      expect(await one.stage('step_script', stageScript(['false', 'echo not reached']))).toMatchObject({
        code: BUILD_FAILURE,
        out: expect.not.stringMatching(/^not reached/m),
      });
      expect(await one.stage('after_script', stageScript(['echo still']))).toMatchObject({ code: 0 });
      const never = job();
      expect(await never.stage('step_script', stageScript(['echo ran']))).toMatchObject({
        code: SYSTEM_FAILURE,
        out: '',
        err: expect.stringContaining(`job ${never.id} was not prepared on this host`),
      });
    });

    it('gives a job an environment from nothing: no variable of the runner, none of the host', async () => {
      const one = await prepared();
      const { out } = await one.stage('step_script', 'env; cat /proc/self/environ | tr "\\000" "\\n"\n');
      expect(out).toContain('PATH=');
      expect(out).not.toMatch(/secret-of|CUSTOM_ENV_|JOB_RESPONSE_FILE|FAILURE_EXIT_CODE|HOLDPOINT/);
    });

    it('ends a cancelled stage with all its processes, those too that do not listen', async () => {
      const one = await prepared();
      const kind = one.startStage(
        'step_script',
        'trap "echo asked; exit 0" TERM\necho started\nwhile :; do sleep 0.1; done\n',
      );
      await kind.printed(/started/);
      kind.signal('SIGTERM');
      expect(await kind.ended).toMatchObject({ code: SYSTEM_FAILURE, err: expect.stringContaining('stopped') });
      const deaf = one.startStage(
        'step_script',
        'trap "" TERM\n(trap "" TERM; while :; do sleep 0.1; done) &\necho started\nwhile :; do sleep 0.1; done\n',
      );
      await deaf.printed(/started/);
      deaf.signal('SIGINT');
      expect(await deaf.ended).toMatchObject({ code: SYSTEM_FAILURE });
      expect(
        await one.stage('after_script', stageScript(['ps -o args 2>/dev/null | grep -c "[s]leep 0.1" || true'])),
      ).toMatchObject({ code: 0 });
    });

    it('leaves no process of a stage in the background (T25)', async () => {
      const one = await prepared(near);
      const { builds_dir: builds } = JSON.parse((await one.call('config')).out);
      expect(
        await one.stage(
          'step_script',
          `(while :; do echo alive >> ${builds}/beat; sleep 0.1; done) >/dev/null 2>&1 &\nsleep 0.3\n`,
        ),
      ).toMatchObject({ code: 0 });
      const { out } = await one.stage('after_script', `wc -l < ${builds}/beat; sleep 0.5; wc -l < ${builds}/beat\n`);
      const [before, after] = out.trim().split('\n').map(Number);
      expect(before).toBeGreaterThan(0);
      expect(after).toBe(before);
    });

    it('prepares again as often as it is asked, with nothing of the attempt before, and cleans up what is not there', async () => {
      const one = await prepared(near);
      const { builds_dir: builds } = JSON.parse((await one.call('config')).out);
      await one.stage('step_script', `echo old > ${builds}/old\n`);
      expect(await one.call('prepare')).toMatchObject({ code: 0 });
      expect((await one.stage('step_script', `ls ${builds}\n`)).out).toBe('');
      expect(await one.call('cleanup')).toMatchObject({ code: 0 });
      expect(await world.left()).toEqual([]);
      expect(await one.call('cleanup')).toMatchObject({ code: 0 });
    });

    it('keeps two jobs apart that run at the same time (T25)', async () => {
      const [one, two] = await Promise.all([prepared(near), prepared(near)]);
      const [first, second] = await Promise.all(
        [one!, two!].map(async (each) => JSON.parse((await each.call('config')).out).builds_dir as string),
      );
      expect(await one!.stage('step_script', `echo ours > ${first}/mine\n`)).toMatchObject({ code: 0 });
      expect(
        (
          await two!.stage(
            'step_script',
            `if [ -e ${first}/mine ] && [ ${first} = ${second} ]; then echo seen; else echo none; fi; ls ${second}\n`,
          )
        ).out,
      ).toBe('none\n');
      expect(await two!.call('cleanup')).toMatchObject({ code: 0 });
      expect((await one!.stage('step_script', `cat ${first}/mine\n`)).out).toBe('ours\n');
    });

    it('removes what a killed runner and a killed executor have left when the next job is prepared, and nothing of one that runs', async () => {
      const living = await prepared();
      const other = new CustomRunner(world.config);
      const dead = other.job(world.job);
      expect(await dead.call('prepare')).toMatchObject({ code: 0 });
      const stage = dead.startStage('step_script', 'echo started; while :; do sleep 0.1; done\n');
      await stage.printed(/started/);
      stage.signal('SIGKILL');
      expect(await stage.ended).toMatchObject({ signal: 'SIGKILL' });
      expect((await world.left()).some((what) => what.includes(String(dead.id)))).toBe(true);
      await other.kill();
      const next = job();
      expect(await next.call('prepare')).toMatchObject({
        code: 0,
        err: expect.stringContaining(`removed what job ${dead.id} had left here`),
      });
      const left = await world.left();
      expect(left.filter((what) => what.includes(String(dead.id)))).toEqual([]);
      expect(await living.stage('step_script', 'echo here\n')).toMatchObject({ code: 0, out: 'here\n' });
      await other.stop();
    });

    it('ends a stage whose runner is gone', async () => {
      const other = new CustomRunner(world.config);
      const one = other.job(world.job);
      expect(await one.call('prepare')).toMatchObject({ code: 0 });
      const stage = one.startStage('step_script', 'echo started; while :; do sleep 0.1; done\n');
      await stage.printed(/started/);
      const running = await world.running(one.id);
      expect(running).not.toEqual([]);
      await other.kill();
      await vi.waitUntil(async () => (await world.running(one.id)).length === 0, { timeout: 15_000, interval: 100 });
      const next = job();
      expect(await next.call('prepare')).toMatchObject({ code: 0, err: expect.stringContaining(`job ${one.id}`) });
      await other.stop();
    });

    it('runs nothing without a receipt where one is required, and makes nothing for it (T25, T39)', async () => {
      const config = join(runner.folder, 'required.yml');
      writeFileSync(
        config,
        readFileSync(runner.config, 'utf8').replace(
          'receipts: off',
          `receipt_socket: ${runner.folder}/nobody.sock\nreceipt_wait: 0s`,
        ),
      );
      const one = job({ config });
      expect(await one.call('prepare')).toMatchObject({
        code: SYSTEM_FAILURE,
        err: expect.stringContaining('the agent of this host cannot be asked'),
      });
      expect(await world.left()).toEqual([]);
      expect(await one.stage('step_script', 'echo ran\n')).toMatchObject({ code: SYSTEM_FAILURE, out: '' });
    });

    it('fails closed where its own configuration cannot be read', async () => {
      const config = join(runner.folder, 'broken.yml');
      writeFileSync(config, `${readFileSync(runner.config, 'utf8')}surprise: true\n`);
      const one = runner.job({ ...world.job, config });
      for (const verb of ['config', 'prepare', 'cleanup'])
        expect(await one.call(verb)).toMatchObject({ code: SYSTEM_FAILURE, err: expect.stringContaining('surprise') });
    });
  });
}
