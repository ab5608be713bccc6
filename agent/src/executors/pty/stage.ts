import { closeSync, openSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { ExecutorCall, ExecutorResult, ExecutorStage } from '../../ports/executor.ts';
import {
  type Fence,
  type FenceHost,
  fenceFolders,
  newScope,
  outOfMemory,
  ownFolder,
  scopeArgs,
  scopeFolder,
} from './fence.ts';
import type { Note } from './notes.ts';
import type { PtyOptions } from './options.ts';
import type { Place } from './place.ts';
import { askToEnd, asUser, type Belongings, endAll } from './processes.ts';
import { startInTerminal } from './terminal.ts';

/** What a stage needs to know of its session. */
export interface StageOf {
  readonly note: Note;
  readonly fence: Fence['kind'];
  readonly host: FenceHost;
  readonly place: Place;
  readonly options: PtyOptions;
}

/** The kernel passes on at once what a terminal has. */
const PATIENCE_MS = 2_000;

/** Everything that a job is told of its host; the rest stands in gitlab-runner's script. */
function environment({ note, place, options }: StageOf): Record<string, string> {
  const name = note.user.name ?? String(note.user.uid);
  return {
    PATH: options.path,
    HOME: place.home,
    TMPDIR: place.tmp,
    USER: name,
    LOGNAME: name,
    LANG: 'C.UTF-8',
    TERM: options.term,
  };
}

function limits({ pids, files, fileBytes }: PtyOptions): readonly string[] {
  const size = fileBytes === null ? [] : [`--fsize=${fileBytes}`];
  return ['prlimit', `--nproc=${pids}`, `--nofile=${files}`, ...size, '--core=0', '--'];
}

/** Runs one script in a shell in a terminal of its own; no process of it is left when this answers. */
export async function runStage(of: StageOf, stage: ExecutorStage, call: ExecutorCall): Promise<ExecutorResult> {
  const { note, host, place, options } = of;
  const [user, home] = [note.user, place.home];
  // What an executor that was killed has left running.
  await endAll({ user, groups: fenceFolders(host, note.session), home });
  if (call.cancel.aborted) return { kind: 'cancelled' };
  const scope = of.fence === 'systemd' ? newScope(note.session) : null;
  const groups = scope === null ? fenceFolders(host, note.session) : [scopeFolder(host, scope)];
  const theirs: Belongings = { user, groups, home };
  const { ended, drain, close } = await start(of, stage, scope, call).catch(async (error: unknown) => {
    await endAll(theirs);
    throw error;
  });
  const before = await memoryEvents(groups);
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    void askToEnd(theirs).catch(() => {});
    kill = setTimeout(() => void endAll(theirs).catch(() => {}), options.graceMs);
  };
  if (call.cancel.aborted) stop();
  else call.cancel.addEventListener('abort', stop, { once: true });
  try {
    const code = await ended;
    clearTimeout(kill);
    const short = (await memoryEvents(groups)) > before;
    await endAll(theirs);
    await drain(Math.max(options.graceMs, PATIENCE_MS));
    if (call.cancel.aborted) return { kind: 'cancelled' };
    if (short)
      await call.output.err(
        Buffer.from('holdpoint: a process was ended: the job needed more memory than pty.memory\n'),
      );
    return { kind: 'exited', code };
  } finally {
    clearTimeout(kill);
    call.cancel.removeEventListener('abort', stop);
    close();
  }
}

async function memoryEvents(groups: readonly string[]): Promise<number> {
  return (await Promise.all(groups.map(outOfMemory))).reduce((sum, each) => sum + each, 0);
}

async function start(of: StageOf, { script }: ExecutorStage, scope: string | null, { output, cancel }: ExecutorCall) {
  const { note, fence, host, place, options } = of;
  // Where it is gone, the shell does not start: a stage runs in its group or not at all.
  const enter = fence === 'cgroup' ? `${ownFolder(host, note.session)}/cgroup.procs` : '';
  const into = scope === null ? [] : scopeArgs(scope, options);
  // Under no name once the shell has it: a job finds its own script nowhere.
  await writeFile(place.script, script, { mode: 0o600 });
  const descriptor = openSync(place.script, 'r');
  try {
    await rm(place.script);
    return await startInTerminal(
      {
        columns: options.columns,
        rows: options.rows,
        uid: note.user.uid,
        gid: note.user.gid,
        script: descriptor,
        cwd: place.builds,
        env: environment(of),
        enter,
        command: [...into, ...limits(options), ...asUser(note.user, options.newPrivileges)],
      },
      output.out,
      cancel,
    );
  } finally {
    closeSync(descriptor);
  }
}
