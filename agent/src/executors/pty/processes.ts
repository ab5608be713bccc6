import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fencedPids, killFenced } from './fence.ts';
import type { JobUser } from './users.ts';

const run = promisify(execFile);

/** By what the processes of a session are known. */
export interface Belongings {
  readonly user: JobUser;
  /** Control groups that it may have. */
  readonly groups: readonly string[];
  /** Its home: no other session has it in its environment. */
  readonly home: string;
}

/** What the kernel ends takes a moment to be gone; what takes longer hangs in the kernel. */
const END_MS = 10_000;
const LOOK_MS = 20;

/** PATH alone: what helps to end a job is told nothing of it, nor of the host. */
export const HELPER_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/** Command that becomes the user of a job, with nothing of root left. */
export function asUser({ uid, gid, name }: JobUser, newPrivileges: boolean): readonly string[] {
  const ids = process.getuid!() === uid && uid !== 0 ? [] : [`--reuid=${uid}`, `--regid=${gid}`];
  const groups = ids.length === 0 ? [] : [name === null ? '--clear-groups' : '--init-groups'];
  // Root by the words of the configuration stays what it is.
  const caps = uid === 0 || ids.length === 0 ? [] : ['--inh-caps=-all', '--ambient-caps=-all'];
  const bound = newPrivileges || caps.length === 0 ? [] : ['--bounding-set=-all'];
  return ['setpriv', ...ids, ...groups, ...caps, ...bound, ...(newPrivileges ? [] : ['--no-new-privs']), '--'];
}

interface Seen {
  readonly pid: number;
  readonly uids: readonly number[];
}

function look(pid: number): Seen | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    if (/^State:\s+[ZX]/m.test(status)) return null;
    // All four: a set-user-id program is the job's as well.
    const uids = (/^Uid:\s+(.*)$/m.exec(status)?.[1] ?? '').split(/\s+/).map(Number);
    return { pid, uids };
  } catch {
    return null;
  }
}

/** Without waiting in between: the kernel has these files at hand, and a list that is old misses what was forked since. */
function allProcesses(): readonly Seen[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids
    .filter((pid) => pid !== process.pid)
    .map(look)
    .filter((each) => each !== null);
}

/** Session that a process is in (setsid(2)); null where it is gone. */
function sessionOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return null;
  }
}

/** Where the user is shared: what has the session's home, and what lives in a terminal of one that has. */
async function marked(all: readonly Seen[], { user, home }: Belongings): Promise<readonly number[]> {
  const own = all.filter(({ uids }) => uids.includes(user.uid));
  const mark = Buffer.from(`\0HOME=${home}\0`);
  const has = await Promise.all(
    own.map(({ pid }) =>
      readFile(`/proc/${pid}/environ`).then(
        (environ) => Buffer.concat([Buffer.from('\0'), environ]).includes(mark),
        () => false,
      ),
    ),
  );
  const sessions = new Set(own.filter((_, index) => has[index]).map(({ pid }) => sessionOf(pid)));
  sessions.delete(sessionOf(process.pid));
  sessions.delete(null);
  return own.filter(({ pid }, index) => has[index] || sessions.has(sessionOf(pid))).map(({ pid }) => pid);
}

/** Every process of a session that is there now. */
export async function pidsOf(of: Belongings): Promise<readonly number[]> {
  const fenced = (await Promise.all(of.groups.map(fencedPids))).flat();
  const all = allProcesses();
  const alive = new Set(all.map(({ pid }) => pid));
  const theirs = of.user.alone
    ? all.filter(({ uids }) => uids.includes(of.user.uid)).map(({ pid }) => pid)
    : await marked(all, of);
  return [...new Set([...fenced.filter((pid) => alive.has(pid)), ...theirs])];
}

function send(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Asks every process of a session to end. */
export async function askToEnd(of: Belongings): Promise<void> {
  for (const pid of await pidsOf(of)) send(pid, 'SIGTERM');
}

/** Ends every process of a session, and answers when none is left (T25); throws where one cannot be ended. */
export async function endAll(of: Belongings): Promise<void> {
  const end = performance.now() + END_MS;
  for (let round = 0; ; round++) {
    await Promise.all(of.groups.map(killFenced));
    const left = await pidsOf(of);
    if (left.length === 0) return;
    if (performance.now() > end)
      throw new Error(`process ${left[0]} of the job cannot be ended, ${left.length} are left`);
    // The kernel goes through all of a user's processes in one call, while they can fork only between two of them.
    if (of.user.alone && process.getuid!() === 0 && round > 0) {
      const [command = '', ...args] = [...asUser(of.user, false), 'sh', '-c', 'kill -KILL -1'];
      await run(command, args, { env: HELPER_ENV }).catch(() => {});
    } else for (const pid of left) send(pid, 'SIGKILL');
    await pause(LOOK_MS);
  }
}
