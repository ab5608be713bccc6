import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ExecutorFailure } from '../failure.ts';
import { type FenceHost, fenceFolders, ownFolder, removeFence } from './fence.ts';
import { clearKeys } from './keys.ts';
import type { Note, Notes } from './notes.ts';
import type { Place } from './place.ts';
import { asUser, endAll, HELPER_ENV, pidsOf } from './processes.ts';

const run = promisify(execFile);

/** Where everybody may leave something, and what stays in memory without a process. */
const LEAVINGS = `find /tmp /var/tmp /dev/shm /dev/mqueue /run/lock /var/lock -xdev -user "$1" -prune -exec rm -rf --one-file-system -- {} + 2>/dev/null
ipcrm --all 2>/dev/null
true`;

/** Removes what the job has left outside its folders, as its user: a link that it has laid leads to nothing it could not remove itself. */
async function removeLeavings({ user }: Note): Promise<void> {
  if (!user.alone || process.getuid!() !== 0) return;
  const [command = '', ...args] = [...asUser(user, false), 'sh', '-c', LEAVINGS, 'sh', String(user.uid)];
  await run(command, args, { env: HELPER_ENV, cwd: '/' });
  await clearKeys(user.uid);
}

/** Not by paths, as Node does it: a job makes folders in folders until their path is longer than the kernel takes (T30). */
async function removeFolder({ folder }: Place): Promise<void> {
  await run('rm', ['-rf', '--', folder], { env: HELPER_ENV, cwd: '/' }).catch((error: { stderr?: unknown }) => {
    const said = String(error.stderr ?? '')
      .trim()
      .split('\n')[0]
      ?.slice(0, 200);
    throw new ExecutorFailure(`the folder of a job cannot be removed: ${said}; its user stays taken until it is gone`);
  });
}

/** Ends a mount of pty.disk_size; there may be none. */
async function unmount({ folder }: Place): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  if (!mounts.split('\n').some((line) => line.split(' ')[1] === folder)) return;
  await run('umount', ['--lazy', folder], { env: HELPER_ENV });
}

/** Removes everything of a session, processes first; its user is free for another job when nothing is left. */
export async function removeSession(
  notes: Notes,
  host: FenceHost,
  place: Place,
  session: string,
): Promise<{ prepared: boolean }> {
  const prepared = (await place.preparedWith()) !== null;
  const note = await notes.of(session);
  const groups = fenceFolders(host, session);
  if (note !== null) await endAll({ user: note.user, groups, home: place.home });
  else await endStrays(groups, place);
  await unmount(place);
  // Nobody but this user can enter, and it has no process any more: no link can be laid while this goes through.
  // Folders that a job has made read-only are no obstacle to root, and none to their owner after this.
  if (process.getuid!() !== 0)
    await run('chmod', ['-R', 'u+rwX', '--', place.folder], { env: HELPER_ENV }).catch(() => {});
  await removeFolder(place);
  await rm(place.script, { force: true });
  if (note !== null) await removeLeavings(note);
  // systemd removes its scope itself.
  const own = ownFolder(host, session);
  if (own !== null) await removeFence(own);
  await notes.giveBack(session);
  return { prepared };
}

/** A session without a note has no user any more: what is left can only be in its group. */
async function endStrays(groups: readonly string[], { home }: Place): Promise<void> {
  const nobody = { uid: -1, gid: -1, name: null, alone: false };
  const of = { user: nobody, groups, home };
  if ((await pidsOf(of)).length > 0) await endAll(of);
}
