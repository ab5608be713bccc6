import { execFile } from 'node:child_process';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ExecutorCall } from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import type { Fence } from './fence.ts';
import type { Note } from './notes.ts';
import type { PtyOptions } from './options.ts';
import type { Place } from './place.ts';
import { HELPER_ENV } from './processes.ts';

const run = promisify(execFile);

async function inMemory({ folder }: Place, bytes: number): Promise<void> {
  try {
    const options = `size=${bytes},mode=0711,nosuid,nodev`;
    await run('mount', ['-t', 'tmpfs', '-o', options, 'holdpoint', folder], { env: HELPER_ENV });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? (error as Error).message).trim();
    throw new ExecutorFailure(
      `pty.disk_size cannot be held on this host: ${said.split('\n')[0]?.slice(0, 200)}; it takes root and mount`,
    );
  }
}

/** What holds the job and what does not, for its log. */
function limitWords({ kind, holds }: Fence, options: PtyOptions, alone: boolean): string {
  const by = kind === 'systemd' ? 'a scope of systemd' : 'a control group';
  const group = holds.length === 0 ? '' : `${by} holds ${holds.join(', ')}; `;
  const files = options.fileBytes === null ? '' : `, files of ${options.fileBytes} bytes`;
  const ulimits = `ulimits hold ${options.pids} processes of the user, ${options.files} open files${files}; `;
  const free = (['memory', 'cpu'] as const).filter((what) => !holds.includes(what));
  const none = free.length === 0 ? '' : `no limit of ${free.join(' and ')}; `;
  const disk = options.diskBytes === null ? 'disk by quotas of the host alone' : `disk ${options.diskBytes} bytes`;
  const ends = kind !== 'none' ? `in ${by}` : alone ? 'by their user' : 'by their environment and terminal';
  return `${group}${ulimits}${none}${disk}; processes are found ${ends}`;
}

/** Makes the folders of a session, each its user's alone. */
export async function prepareSession(
  place: Place,
  { user }: Note,
  fence: Fence,
  options: PtyOptions,
  { output }: ExecutorCall,
): Promise<void> {
  await mkdir(place.folder, { mode: 0o711 });
  if (options.diskBytes !== null) await inMemory(place, options.diskBytes);
  await chmod(place.folder, 0o711);
  for (const folder of [place.builds, place.cache, place.home, place.tmp]) {
    await mkdir(folder, { mode: 0o700 });
    if (process.getuid!() === 0) await chown(folder, user.uid, user.gid);
  }
  const { uid, gid, name, alone } = user;
  const say = (line: string) => output.err(Buffer.from(`holdpoint: driver pty: ${line}\n`));
  await say(`${name === null ? '' : `user ${name}, `}uid ${uid}, gid ${gid}; ${limitWords(fence, options, alone)}`);
  if (!alone) await say('the job may do what root, the runner or the agent may: pty.trust says so');
  await place.finish(fence.kind);
}
