import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type CustomJob, CustomRunner, SYSTEM_FAILURE } from '../../support/custom-runner.ts';
import { HOLDPOINT } from '../../support/holdpoint-process.ts';
import { hostUsers } from '../../support/host-users.ts';
import { processesOf, ptyWorld, UIDS } from '../../support/pty-jobs.ts';

/** Numbers of add_key(2) and keyctl(2). */
const [ADD_KEY, KEYCTL] = process.arch === 'x64' ? [248, 250] : [217, 219];
const NAME = `holdpoint-test-${process.pid}`;
const WORDS = `my ($t, $n, $v) = qw(user ${NAME} secret);`;
const perl = (call: string) => `perl -e '${WORDS} print ${call}, "\\n"'`;
/** The key in the keyring of the session (-3), made and looked for (KEYCTL_SEARCH); and which keyring that is. */
const MAKE_KEY = `syscall(${ADD_KEY}, $t, $n, $v, 6, -3)`;
const FIND = perl(`syscall(${KEYCTL}, 10, -3, $t, $n, 0) > 0 ? "found" : "none"`);
const KEYRING = perl(`syscall(${KEYCTL}, 0, -3, 0)`);
/** A session with a keyring of its own (KEYCTL_JOIN_SESSION_KEYRING) and the key in it; without them it does not begin. */
const LOGGED_IN = ['perl', '-e', `${WORDS} syscall(${KEYCTL}, 1, 0) > 0 && ${MAKE_KEY} > 0 or exit 9; exec @ARGV`];

const run = (line: string, uid: number, within: readonly string[] = []): string => {
  const as = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--', 'sh', '-c', line];
  const [command = '', ...args] = [...within, ...as];
  return spawnSync(command, args, { encoding: 'utf8' }).stdout.trim();
};

/** Whom jobs run as, what that user may become, and what it finds of whoever started the executor. */
export function usersOfJobs(): void {
  describe('the users of the driver pty', { timeout: 60_000 }, () => {
    const closing: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
      expect(UIDS.flatMap(processesOf)).toEqual([]);
    });
    /** A runner with these options, whose jobs are these users'. */
    const runnerOf = (users: string, more = '', options: ConstructorParameters<typeof CustomRunner>[1] = {}) => {
      const { folder, world } = ptyWorld(more, users);
      closing.push(() => world.stop());
      const runner = new CustomRunner(world.config, options);
      closing.push(() => runner.stop());
      return { folder, world, runner };
    };
    const prepared = async (runner: CustomRunner): Promise<{ job: CustomJob; said: string }> => {
      const job = runner.job();
      closing.push(async () => expect(await job.call('cleanup')).toMatchObject({ code: 0 }));
      const { code, err } = await job.call('prepare');
      expect([code, err]).toEqual([0, expect.stringContaining('driver pty')]);
      return { job, said: err };
    };

    it('gives each stage a keyring of its own, with no key of the session that the runner was started in (T25)', async (test) => {
      // The defence and not the user is what stands in the way.
      const undefended = run(FIND, UIDS[0]!, LOGGED_IN);
      if (undefended === '') test.skip('the kernel refuses keyctl(2) and add_key(2) here');
      expect(undefended).toBe('found');
      const { runner } = runnerOf(`${UIDS[0]}:${UIDS[0]}`, '', { within: LOGGED_IN });
      const { job } = await prepared(runner);
      const one = await job.stage('step_script', `${FIND}\n${perl(MAKE_KEY)} >/dev/null\n${FIND}\n${KEYRING}\n`);
      const two = await job.stage('after_script', `${FIND}\n${KEYRING}\n`);
      const [first, own, ring = ''] = one.out.split('\n');
      expect([first, own, ring]).toEqual(['none', 'found', expect.stringMatching(/^[1-9]\d*$/)]);
      expect(two.out).toMatch(/^none\n[1-9]\d*\n$/);
      expect(two.out).not.toContain(ring);
    });

    it('leaves no key of a job to the next one that its user has (T25)', async (test) => {
      const uid = UIDS[3]!;
      // -4 is the keyring of the user, which it has as long as the kernel runs; 22 gives the one that outlives a login.
      const rings = [`-4`, `-5`, `syscall(${KEYCTL}, 22, ${uid}, -2)`];
      const makes = rings.map((ring) => perl(`syscall(${ADD_KEY}, $t, $n, $v, 6, ${ring})`)).join('; ');
      const finds = rings.map((ring) => perl(`syscall(${KEYCTL}, 10, ${ring}, $t, $n, 0) > 0 ? "found" : "none"`));
      if (/^-1/.test(run(makes, uid))) test.skip('the kernel refuses add_key(2) here');
      expect(run(finds.join('; '), uid)).toMatch(/^found\nfound\n(found|none)$/);
      const { runner } = runnerOf(`${uid}:${uid}`);
      const one = runner.job();
      expect((await one.call('prepare')).code).toBe(0);
      expect((await one.stage('step_script', `${makes}\n`)).out).toMatch(/^[1-9]\d*\n[1-9]\d*\n/);
      expect(await one.call('cleanup')).toMatchObject({ code: 0, err: '' });
      expect(run(finds.join('; '), uid)).toBe('none\nnone\nnone');
    });

    it('lets set-user-id programs count only where pty.new_privileges allows it (T25)', async (test) => {
      const folder = mkdtempSync(join(tmpdir(), 'holdpoint-setuid-'));
      closing.push(() => rmSync(folder, { recursive: true }));
      chmodSync(folder, 0o755);
      const program = join(folder, 'id');
      copyFileSync('/usr/bin/id', program);
      chownSync(program, 0, 0);
      chmodSync(program, 0o4755);
      const line = `${program} -u; ${program} -ru\n`;
      const uid = UIDS[1]!;
      if (run(line, uid) !== `0\n${uid}`) test.skip(`set-user-id programs do not count below ${tmpdir()} (nosuid)`);
      const users = `${uid}:${uid}`;
      const { job: bound } = await prepared(runnerOf(users).runner);
      expect((await bound.stage('step_script', line)).out).toBe(`${uid}\n${uid}\n`);
      const { job: free } = await prepared(runnerOf(users, '  new_privileges: allow\n').runner);
      expect((await free.stage('step_script', line)).out).toBe(`0\n${uid}\n`);
    });

    it('runs as a user by name, with the groups that the host gives it and no other', async () => {
      const [first, ...more] = UIDS;
      const named = '--system --user-group --no-create-home --shell /usr/sbin/nologin --groups games ci-job-1';
      const users = await hostUsers(`useradd ${named}\n`, [first!, ...more]);
      closing.push(() => users.close());
      const { runner } = runnerOf('ci-job-1', '', { within: users.within });
      const { job, said } = await prepared(runner);
      const uid = /user ci-job-1, uid (\d+), gid \d+;/.exec(said)?.[1];
      expect(UIDS.map(String)).toContain(uid);
      const { out } = await job.stage('step_script', 'id -un; id -Gn; echo $USER $LOGNAME; stat -c %U . "$HOME"\n');
      expect(out).toBe('ci-job-1\nci-job-1 games\nci-job-1 ci-job-1\nci-job-1\nci-job-1\n');
    });

    it('runs for a gitlab-runner that is not root as that user alone, once somebody has said so in words', async (test) => {
      const uid = UIDS[2]!;
      if (run(`${process.execPath} ${HOLDPOINT} --version >/dev/null 2>&1 && echo yes`, uid) !== 'yes')
        test.skip(`another user than root cannot read ${HOLDPOINT} here`);
      const trust = '  trust: jobs-may-do-what-that-user-may\n';
      const { runner, folder, world } = runnerOf(`${uid}:${uid}`, trust, { uid });
      chownSync(folder, uid, uid);
      const without = async (name: string, from: string, to: string) => {
        const config = join(runner.folder, name);
        writeFileSync(config, world.config.replace(from, to), { mode: 0o644 });
        const { code, err } = await runner.job({ config }).call('prepare');
        expect(code).toBe(SYSTEM_FAILURE);
        return err;
      };
      expect(await without('untold.yml', trust, '')).toContain(`names ${uid}:${uid}, which is gitlab-runner's user`);
      expect(await without('other.yml', `${uid}:${uid}`, `${UIDS[3]}:${UIDS[3]}`)).toContain(
        `only root can run something as another user: gitlab-runner here is user ${uid}`,
      );
      const { job, said } = await prepared(runner);
      expect(said).toContain('the job may do what root, the runner or the agent may');
      const daemon = `setsid sh -c 'sleep 1000' >/dev/null 2>&1 </dev/null &\n`;
      const { out, code } = await job.stage(
        'step_script',
        `${daemon}id -u; test -t 1 && echo terminal; grep NoNewPrivs /proc/$$/status; mkdir -p shut/in; chmod 0 shut\n`,
      );
      expect([code, out]).toEqual([0, `${uid}\nterminal\nNoNewPrivs:\t1\n`]);
      expect(await job.call('cleanup')).toMatchObject({ code: 0, err: '' });
      // Of the runner's user only the runner is left.
      expect((await world.left()).filter((what) => !what.startsWith('process '))).toEqual([]);
      expect(processesOf(uid)).toHaveLength(1);
    });
  });
}
