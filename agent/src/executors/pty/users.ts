import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
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
async function passwd(word: string): Promise<{ name: string; uid: number; gid: number; home: string } | null> {
  try {
    const { stdout } = await run('getent', ['passwd', word]);
    const [name = '', , uid = '', gid = '', , home = ''] = stdout.trim().split(':');
    return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? { name, uid: Number(uid), gid: Number(gid), home } : null;
  } catch {
    return null;
  }
}

async function numbersOf(word: string): Promise<Omit<JobUser, 'alone'> & { readonly home: string | null }> {
  const pair = /^(\d+):(\d+)$/.exec(word);
  if (pair !== null) {
    const known = await passwd(pair[1]!);
    const gid = Number(pair[2]);
    // Groups of a name belong to it with its own group only.
    const name = known !== null && known.gid === gid ? known.name : null;
    return { uid: Number(pair[1]), gid, name, home: known?.home ?? null };
  }
  const known = await passwd(word);
  if (known === null)
    throw new ExecutorFailure(
      `pty.users names the user ${word}, which this host does not have: make it (useradd --system), or write uid:gid`,
    );
  return known;
}

/** Whether a user can write to a folder, or make it where it is not there. */
async function isTheirs(
  folder: string,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null)
      return found.uid === uid || (found.gid === gid && (found.mode & 0o20) !== 0) || (found.mode & 0o2) !== 0;
    if (at === dirname(at)) return false;
  }
}

/** Users that are more than a job may be, by number, and what they are. */
async function others(receiptSocket: string | null, own: number): Promise<ReadonlyMap<number, string>> {
  const agent = receiptSocket === null ? null : await stat(receiptSocket).catch(() => null);
  return new Map([
    ...(agent === null ? [] : ([[agent.uid, "the agent's user"]] as const)),
    [own, "gitlab-runner's user"],
    [0, 'root'],
  ]);
}

/**
 * The users of the configuration as numbers. Refuses those that own more than the job, unless the configuration says so (T25).
 * `own` is the number of gitlab-runner's user.
 */
export async function jobUsers(
  { users, mayBeTrusted, receiptSocket }: Pick<PtyOptions, 'users' | 'mayBeTrusted' | 'receiptSocket'>,
  own = process.getuid!(),
): Promise<readonly JobUser[]> {
  const more = await others(receiptSocket, own);
  const found: JobUser[] = [];
  for (const word of users) {
    const { home, ...user } = await numbersOf(word);
    const what = more.get(user.uid) ?? (user.gid === 0 ? 'of the group root' : undefined);
    if (what !== undefined && !mayBeTrusted)
      throw new ExecutorFailure(
        `pty.users names ${word}, which is ${what}: a job could read its keys and end it. Name a user that is nobody else, or write "pty.trust: jobs-may-do-what-that-user-may"`,
      );
    if (own !== 0 && user.uid !== own)
      throw new ExecutorFailure(
        `pty.users names ${word}, and only root can run something as another user: gitlab-runner here is user ${own}`,
      );
    const alone = !more.has(user.uid);
    // What a job leaves there is not its HOME's: ssh, git's helpers and others go by the user database (T25).
    if (alone && home?.startsWith('/') && (await isTheirs(home, user)))
      throw new ExecutorFailure(
        `pty.users names ${word}, whose home ${home} it can write: the next job of that user would run by what one leaves there. Give it a home that is not there (usermod --home /nonexistent)`,
      );
    found.push({ ...user, alone });
  }
  return found;
}
