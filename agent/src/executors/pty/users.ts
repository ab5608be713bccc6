import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ExecutorFailure } from '../failure.ts';
import type { PtyOptions } from './options.ts';

const run = promisify(execFile);

/** Whom a job runs as. */
export interface JobUser {
  readonly uid: number;
  readonly gid: number;
  /** Null for a number that the host has no name for; its groups are its own alone then. */
  readonly name: string | null;
  /** True where nobody else is this user: one job at a time has it, and every process of it is the job's. */
  readonly alone: boolean;
}

/** Asks the host's user database, a directory service included; Node reads neither. */
async function passwd(word: string): Promise<{ name: string; uid: number; gid: number } | null> {
  try {
    const { stdout } = await run('getent', ['passwd', word]);
    const [name = '', , uid = '', gid = ''] = stdout.trim().split(':');
    return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? { name, uid: Number(uid), gid: Number(gid) } : null;
  } catch {
    return null;
  }
}

async function numbersOf(word: string): Promise<Omit<JobUser, 'alone'>> {
  const pair = /^(\d+):(\d+)$/.exec(word);
  if (pair !== null) {
    const known = await passwd(pair[1]!);
    const gid = Number(pair[2]);
    // Groups of a name belong to it with its own group only.
    return { uid: Number(pair[1]), gid, name: known !== null && known.gid === gid ? known.name : null };
  }
  const known = await passwd(word);
  if (known === null)
    throw new ExecutorFailure(
      `pty.users names the user ${word}, which this host does not have: make it (useradd --system), or write uid:gid`,
    );
  return known;
}

/** Users that are more than a job may be, by number, and what they are. */
async function others(receiptSocket: string | null): Promise<ReadonlyMap<number, string>> {
  const agent = receiptSocket === null ? null : await stat(receiptSocket).catch(() => null);
  return new Map([
    ...(agent === null ? [] : ([[agent.uid, "the agent's user"]] as const)),
    [process.getuid!(), "gitlab-runner's user"],
    [0, 'root'],
  ]);
}

/** The users of the configuration as numbers. Refuses those that own more than the job, unless the configuration says so (T25). */
export async function jobUsers({
  users,
  mayBeTrusted,
  receiptSocket,
}: Pick<PtyOptions, 'users' | 'mayBeTrusted' | 'receiptSocket'>): Promise<readonly JobUser[]> {
  const own = process.getuid!();
  const more = await others(receiptSocket);
  const found: JobUser[] = [];
  for (const word of users) {
    const user = await numbersOf(word);
    const what = more.get(user.uid) ?? (user.gid === 0 ? 'of the group root' : undefined);
    if (what !== undefined && !mayBeTrusted)
      throw new ExecutorFailure(
        `pty.users names ${word}, which is ${what}: a job could read its keys and end it. Name a user that is nobody else, or write "pty.trust: jobs-may-do-what-that-user-may"`,
      );
    if (own !== 0 && user.uid !== own)
      throw new ExecutorFailure(
        `pty.users names ${word}, and only root can run something as another user: gitlab-runner here is user ${own}`,
      );
    found.push({ ...user, alone: !more.has(user.uid) });
  }
  return found;
}
