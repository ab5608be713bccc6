import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { executorContract } from '../../contract/executors/executor-contract.ts';
import { BUILD_FAILURE, type CustomJob, CustomRunner, SYSTEM_FAILURE } from '../../support/custom-runner.ts';
import { processesOf, ptyWorld, UIDS } from '../../support/pty-jobs.ts';
import { walkThrough } from '../walk-through.ts';
import { usersOfJobs } from './users.ts';
import { ptyHost } from './walk-host.ts';

executorContract('pty', async () => ptyWorld().world, 30_000);
walkThrough('pty', ptyHost, 60_000);
usersOfJobs();

/** Leaves its stage in every way there is: a session of its own, two forks, another environment, and deaf to signals. */
const DAEMON = (mark: string) =>
  `perl -e 'use POSIX; exit if fork; POSIX::setsid(); exit if fork; $SIG{$_} = "IGNORE" for qw(HUP TERM INT);
    open(STDIN, "</dev/null"); open(STDOUT, ">/dev/null"); open(STDERR, ">/dev/null");
    exec { "/usr/bin/env" } "env", "-i", "perl", "-e", "\\$0 = q(${mark}); sleep 1 while 1"'\n`;

describe('the driver pty', { timeout: 60_000 }, () => {
  const { folder, world } = ptyWorld();
  let runner: CustomRunner;
  const jobs: CustomJob[] = [];
  /** A configuration beside the usual one: one user, with these lines below `pty:`. */
  const config = (name: string, more: string, users = `${UIDS[0]}:${UIDS[0]}`): string => {
    const path = join(runner.folder, `${name}.yml`);
    const text = `driver: pty\nreceipts: off\ngrace: 500ms\nwork_dir: ${folder}\npty:\n  users: ${users}\n${more}`;
    writeFileSync(path, text);
    return path;
  };
  const prepared = async (parts: { config?: string } = {}): Promise<{ job: CustomJob; said: string }> => {
    const job = runner.job(parts);
    jobs.push(job);
    const { code, err } = await job.call('prepare');
    expect([code, err]).toEqual([0, expect.stringContaining('driver pty')]);
    return { job, said: err };
  };
  const refused = async (parts: { config: string }): Promise<string> => {
    const { code, err } = await runner.job(parts).call('prepare');
    expect(code).toBe(SYSTEM_FAILURE);
    return err;
  };
  const buildsOf = (job: CustomJob): string =>
    join(folder, readdirSync(folder).find((name) => name.startsWith(`${job.id}-`))!, 'builds');
  beforeAll(() => {
    runner = new CustomRunner(world.config);
  });
  afterEach(async () => {
    for (const job of jobs.splice(0)) expect(await job.call('cleanup')).toMatchObject({ code: 0 });
    expect(await world.left()).toEqual([]);
  });
  afterAll(async () => {
    await runner?.stop();
    await world.stop();
  });

  it('gives a stage a terminal, an environment and descriptors of its own, and nothing of those above it (T25)', async () => {
    const sized = config('window', '  window: 132x43\n  term: screen-256color\n');
    const { job } = await prepared({ config: sized });
    const { out, code } = await job.stage(
      'step_script',
      `test -t 1 && test -t 2 && echo terminal; stty size </dev/tty; ps -o tty= -p $$; readlink /proc/self/fd/1
echo to-stderr >/dev/stderr; echo to-tty >/dev/tty; printf '\\033[31mred\\033[0m 10%%\\r100%%\\n'
echo "fds: $(for fd in /proc/$$/fd/*; do readlink $fd; done | sort -u | tr '\\n' ' ')"
tr '\\000' '\\n' </proc/$$/environ | sed 's/^/env: /'
grep -E '^(CapPrm|CapBnd|NoNewPrivs|Groups|Uid):' /proc/$$/status; umask; stat -c '%a %u' . $HOME $TMPDIR\n`,
    );
    expect(code).toBe(0);
    const pts = /^\/dev\/(pts\/\d+)$/m.exec(out)?.[1];
    expect(out).toContain(`terminal\n43 132\n${pts}\n/dev/${pts}\nto-stderr\nto-tty\n\x1b[31mred\x1b[0m 10%\r100%\n`);
    const fds = /^fds: (.*) $/m
      .exec(out)![1]!
      .split(' ')
      .filter((word) => word !== '(deleted)');
    // The pipe is that of the script's own $(…).
    expect(fds.filter((name) => !name.startsWith('pipe:'))).toEqual([
      `/dev/${pts}`,
      expect.stringMatching(/users\/\.script-/),
    ]);
    expect([...out.matchAll(/^env: (\w+)=/gm)].map((match) => match[1]).sort()).toEqual([
      'HOME',
      'LANG',
      'LOGNAME',
      'PATH',
      'PWD',
      'TERM',
      'TMPDIR',
      'USER',
    ]);
    expect(out).toContain('env: TERM=screen-256color\n');
    const uid = UIDS[0];
    expect(out).toMatch(
      new RegExp(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nGroups:\t *\nCapPrm:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\n`),
    );
    expect(out).toContain(`0022\n700 ${uid}\n700 ${uid}\n700 ${uid}\n`);
    expect((await job.stage('step_script', 'kill -9 $$\n')).code).toBe(BUILD_FAILURE);
    expect(job.exitCode()).toBe(137);
  });

  it('keeps a job from keys, state, memory, sockets and processes of the host, and from another job (T25)', async () => {
    const state = mkdtempSync(join(tmpdir(), 'holdpoint-state-'));
    writeFileSync(join(state, 'seal.key'), 'the-key', { mode: 0o600 });
    const socket = join(state, 'receipts.sock');
    const server = createServer(() => {}).listen(socket);
    await new Promise((resolve) => server.once('listening', resolve));
    chmodSync(socket, 0o600);
    // Open to look at, so that the files and not the folder are what stands in the way.
    chmodSync(state, 0o755);
    const agent = spawn('sleep', ['1000'], { env: { SECRET: 'the-secret-of-the-agent' }, stdio: 'ignore' });
    try {
      const [{ job: one }, { job: two }] = await Promise.all([prepared(), prepared()]);
      const mine = buildsOf(one);
      expect((await one.stage('step_script', 'echo ours > mine; chmod 666 mine\n')).code).toBe(0);
      const held = one.startStage('step_script', 'echo started; while :; do sleep 0.1; done\n');
      await held.printed(/started/);
      const [other] = (await world.running(one.id)).map(Number);
      const { out } = await two.stage(
        'step_script',
        `t() { if eval "$2" >/dev/null 2>&1; then echo "$1 worked"; else echo "$1 refused"; fi; }
t key 'cat ${state}/seal.key'; t write 'echo x >> ${state}/seal.key'; t place 'echo x > ${state}/receipt'
t socket 'perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Peer => q(${socket})) or exit 1"'
for pid in ${agent.pid} ${process.pid} $PPID 1 ${other}; do
  t environ "tr a a </proc/$pid/environ"; t memory "dd if=/proc/$pid/mem bs=1 count=1"; t descriptors "ls /proc/$pid/fd"
  t ptrace "perl -e 'exit(syscall(${process.arch === 'x64' ? 101 : 117}, 16, $pid, 0, 0) == 0 ? 0 : 1)'"; t signal "kill -0 $pid"
done
t notes 'ls ${folder}/users'; t sessions 'ls ${folder}'; t other 'ls ${mine}'; t others 'cat ${mine}/mine'
t response 'cat ${runner.folder}/job-*/response.json'; t root 'chmod u+s /bin/true || sudo -n true || su -c true'
t group 'test -d /sys/fs/cgroup/unified/holdpoint && echo $$ > /sys/fs/cgroup/unified/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs'
t nothing true\n`,
      );
      expect(out.match(/.*worked$/gm)).toEqual(['nothing worked']);
      expect(out.match(/refused$/gm)).toHaveLength(4 + 5 * 5 + 7);
      held.signal('SIGTERM');
      await held.ended;
      expect(statSync(join(state, 'seal.key')).size).toBe(7);
    } finally {
      agent.kill('SIGKILL');
      server.close();
      rmSync(state, { recursive: true, force: true });
    }
  });

  it.each(['auto', 'ulimits'])('ends a daemon that has left its session, with limits %s (T25)', async (limits) => {
    const { job } = await prepared({ config: config(`daemon-${limits}`, `  limits: ${limits}\n`) });
    const mark = `daemon-${process.pid}-${limits}`;
    const { code, out } = await job.stage(
      'step_script',
      `${DAEMON(mark)}until pgrep -f ${mark} >/dev/null; do sleep 0.05; done; pgrep -cf '^${mark}'\n`,
    );
    expect([code, out]).toEqual([0, '1\n']);
    expect(processesOf(UIDS[0]!)).toEqual([]);
    expect((await job.stage('after_script', `pgrep -cf '^${mark}'\n`)).out).toBe('0\n');
  });

  it('ends a stage that is cancelled before its shell has started, at once, and runs none of it', async () => {
    const slow = mkdtempSync(join(tmpdir(), 'holdpoint-slow-'));
    chmodSync(slow, 0o755);
    // What limits the job hangs, as systemd can when it is asked for a scope.
    writeFileSync(join(slow, 'prlimit'), `#!/bin/sh\necho $$ > ${slow}/pid\nexec sleep 1000\n`, { mode: 0o755 });
    const { job } = await prepared({ config: config('slow', `  path: ${slow}:/usr/bin:/bin\n`) });
    const stage = job.startStage('step_script', 'echo ran\n');
    await vi.waitUntil(
      () => existsSync(join(slow, 'pid')) && readFileSync(join(slow, 'pid'), 'utf8').endsWith('\n'),
      20_000,
    );
    stage.signal('SIGTERM');
    expect(await stage.ended).toMatchObject({
      code: SYSTEM_FAILURE,
      all: expect.stringMatching(/^holdpoint: stopped$/m),
    });
    expect(existsSync(`/proc/${readFileSync(join(slow, 'pid'), 'utf8').trim()}`)).toBe(false);
    rmSync(slow, { recursive: true });
  });

  it('holds a fork bomb, and ends it (T25)', async () => {
    const { job, said } = await prepared({ config: config('bomb', '  limits: ulimits\n  pids: 48\n') });
    expect(said).toContain('ulimits hold 48 processes');
    const bomb = job.startStage(
      'step_script',
      'echo started; bomb() { bomb | bomb & bomb; }; bomb 2>/dev/null; sleep 60\n',
    );
    await bomb.printed(/started/);
    let most = 0;
    const grown = () => {
      most = Math.max(most, processesOf(UIDS[0]!).length);
      return most > 30;
    };
    await vi.waitUntil(grown, { timeout: 20_000, interval: 50 });
    bomb.signal('SIGTERM');
    expect(await bomb.ended).toMatchObject({ code: SYSTEM_FAILURE, err: expect.stringContaining('stopped') });
    expect(most).toBeLessThanOrEqual(48);
    expect(processesOf(UIDS[0]!)).toEqual([]);
    expect(await job.stage('after_script', 'echo still\n')).toMatchObject({ code: 0, out: 'still\n' });
  });

  it('holds what a job writes to the size that it may have, and removes what it leaves in places for everybody (T25)', async () => {
    const left = join(tmpdir(), `left-by-a-job-${process.pid}`);
    const sized = config('disk', '  disk_size: 8m\n  file_size: 16m\n');
    const { job } = await prepared({ config: sized });
    const full = await job.stage(
      'step_script',
      'head -c 12000000 /dev/zero > big; echo $?; df --output=size -B1 . | tail -n1\n',
    );
    expect(full.out).toMatch(/No space left on device\n1\n *8388608\n$/);
    const large = await job.stage(
      'step_script',
      `mkdir ${left}; ln -s / ${left}/root; head -c 20000000 /dev/zero > ${left}/large; echo $?\n`,
    );
    expect(large.out).toMatch(/File size limit exceeded|File too large/);
    expect(statSync(join(left, 'large')).size).toBe(16 * 2 ** 20);
    expect(await job.call('cleanup')).toMatchObject({ code: 0 });
    expect(() => statSync(left)).toThrow('ENOENT');
    expect(statSync('/etc/passwd').size).toBeGreaterThan(0);
  });

  it('is rid of a job whatever it has left, and its user is free again (T25, T30)', async () => {
    const one = config('deep', '');
    const { job } = await prepared({ config: one });
    const lock = `/run/lock/left-by-a-job-${process.pid}`;
    // No path of the kernel's is so long, and none of it can be listed or entered by its mode.
    const { code } = await job.stage(
      'step_script',
      `perl -e 'my $n = "d" x 200; for (1..60) { mkdir $n or die; chdir $n or die } mkdir "x", 0 or die'; : > ${lock}; mkdir -p shut/in && chmod 0 shut\n`,
    );
    expect(code).toBe(0);
    expect(await job.call('cleanup')).toMatchObject({ code: 0, err: '' });
    expect(() => statSync(lock)).toThrow('ENOENT');
    expect(await world.left()).toEqual([]);
    await prepared({ config: one });
  });

  it('lets no job type into the terminal of whoever started the executor (T25)', async () => {
    const { native } = (await import('node-pty')) as unknown as {
      native: { open(columns: number, rows: number): { master: number; slave: number; pty: string } };
    };
    // Somebody's terminal on this host; what is typed into it would be read from its own side.
    const theirs = native.open(80, 24);
    const { job } = await prepared();
    const push = 'perl -e \'open(my $t, "+<", $ARGV[0]) or exit 1; ioctl($t, 0x5412, my $c = "x") or exit 1\'';
    const { out } = await job.stage(
      'step_script',
      `${push} ${theirs.pty} 2>/dev/null; echo theirs $?; for t in /dev/pts/[0-9]* /dev/tty[0-9]* /dev/console; do [ $t = $(readlink /proc/self/fd/2) ] || if ${push} $t 2>/dev/null; then echo typed into $t; fi; done; echo looked\n`,
    );
    expect(out).toBe('theirs 1\nlooked\n');
  });

  it('refuses root, the user of gitlab-runner, users that are not there, more jobs than users, and limits it cannot hold', async () => {
    expect(await refused({ config: config('root', '', '0:0') })).toContain('pty.users names 0:0, which is root');
    expect(await refused({ config: config('group', '', `${UIDS[0]}:0`) })).toContain('of the group root');
    expect(await refused({ config: config('nobody', '', 'no-such-user') })).toContain('which this host does not have');
    expect(await refused({ config: config('held', '  limits: ulimits\n  memory: 64m\n  cpus: "0.5"\n') })).toContain(
      'pty.memory and pty.cpus cannot be held on this host',
    );
    const one = config('one', '');
    await prepared({ config: one });
    expect(await refused({ config: one })).toContain('each of the 1 users in pty.users has a job');
    const without = join(runner.folder, 'without.yml');
    writeFileSync(without, 'driver: pty\nreceipts: off\n');
    expect(await refused({ config: without })).toContain('pty.users');
  });

  it('runs as its own user where the configuration says so in words, finds its processes, and says so', async () => {
    const { job, said } = await prepared({
      config: config('trust', '  limits: ulimits\n  trust: jobs-may-do-what-that-user-may\n', '0:0'),
    });
    expect(said).toContain('the job may do what root, the runner or the agent may');
    const mark = `own-${process.pid}`;
    const daemon = `setsid bash -c 'exec -a ${mark} sleep 1000' >/dev/null 2>&1 </dev/null &\n`;
    const { out, code } = await job.stage(
      'step_script',
      `${daemon}id -u; until pgrep -f '^${mark}' >/dev/null; do sleep 0.05; done\n`,
    );
    expect([code, out]).toEqual([0, '0\n']);
    expect((await job.stage('after_script', `pgrep -cf '^${mark}'\n`)).out).toBe('0\n');
  });
});
