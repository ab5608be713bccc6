import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type {
  ExecutorCall,
  ExecutorDriver,
  ExecutorResult,
  ExecutorSession,
  ExecutorStage,
  Leftover,
} from '../ports/executor.ts';

/** What the dummy is told. */
export interface DummyOptions {
  /** Folder in which each session has one. */
  readonly workDir: string;
  /** How long processes have to end by themselves when a job is cancelled. */
  readonly graceMs: number;
  readonly version: string;
  /** Ticks between boot and start of a process, null where it is gone. */
  startOf(pid: number): number | null;
}

const note = z.object({
  owner: z.object({ pid: z.number(), startedAt: z.number(), boot: z.string(), namespace: z.string() }),
  endsBefore: z.number(),
});
const running = z.object({ pid: z.number(), startedAt: z.number() });

const SESSION = /^[0-9]+-[0-9a-f]+$/;
/** As a login of nobody in particular would find programs. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function readJson<T>(path: string, shape: z.ZodType<T>): Promise<T | null> {
  try {
    const read = shape.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

/** Ends a process group; one that is gone already is done. */
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Runs each stage as a plain process of the user it is itself: for demos and for the tests that all drivers share.
 * It keeps jobs apart in folders and ends their process groups; it isolates nothing.
 */
export function dummyDriver({ workDir, graceMs, version, startOf }: DummyOptions): ExecutorDriver {
  const at = (session: string, ...rest: string[]) => {
    if (!SESSION.test(session)) throw new Error('no name of a session');
    return join(workDir, session, ...rest);
  };
  const endStage = async (session: string): Promise<void> => {
    const last = await readJson(at(session, 'running.json'), running);
    // A pid that another process has by now is left alone.
    if (last !== null && startOf(last.pid) === last.startedAt) signal(last.pid, 'SIGKILL');
  };
  const cleanup = async (session: string) => {
    const prepared = (await readJson(at(session, 'session.json'), note)) !== null;
    await endStage(session);
    await rm(at(session), { recursive: true, force: true });
    return { prepared };
  };

  return {
    name: 'dummy',
    version,
    places: (session) => ({ buildsDir: at(session, 'builds'), cacheDir: at(session, 'cache'), shared: false }),
    async prepare(session: ExecutorSession, { output, cancel }: ExecutorCall): Promise<ExecutorResult> {
      await cleanup(session.id);
      if (cancel.aborted) return { kind: 'cancelled' };
      // Whole under its name or not there at all: a sweep of another job may look at any moment.
      const beside = `${at(session.id)}.new`;
      await rm(beside, { recursive: true, force: true });
      for (const folder of ['builds', 'cache', 'home'])
        await mkdir(join(beside, folder), { recursive: true, mode: 0o700 });
      const { owner, endsBefore } = session;
      await writeFile(join(beside, 'session.json'), JSON.stringify({ owner, endsBefore }), { mode: 0o600 });
      await rename(beside, at(session.id));
      await output.err(
        Buffer.from('holdpoint: driver dummy: the job runs as a plain process of this host, and nothing is isolated\n'),
      );
      return { kind: 'exited', code: 0 };
    },
    async run(session: ExecutorSession, stage: ExecutorStage, call: ExecutorCall): Promise<ExecutorResult> {
      if ((await readJson(at(session.id, 'session.json'), note)) === null)
        return { kind: 'system_failure', words: `job ${session.job.id} was not prepared on this host` };
      await endStage(session.id);
      const env = { PATH, HOME: at(session.id, 'home'), LANG: 'C.UTF-8' };
      const child = spawn('bash', { cwd: at(session.id, 'builds'), env, detached: true, stdio: 'pipe' });
      const failed = new Promise<Error>((resolve) => child.on('error', resolve));
      const { pid } = child;
      if (pid === undefined)
        return { kind: 'system_failure', words: `bash cannot be started: ${(await failed).message}` };
      await writeFile(at(session.id, 'running.json'), JSON.stringify({ pid, startedAt: startOf(pid) ?? 0 }));
      const ended = new Promise<number>((resolve) => {
        child.on('exit', (code, name) => resolve(code ?? (name === 'SIGKILL' ? 137 : 143)));
      });
      let kill: NodeJS.Timeout | undefined;
      const stop = () => {
        signal(pid, 'SIGTERM');
        kill = setTimeout(() => signal(pid, 'SIGKILL'), graceMs);
      };
      if (call.cancel.aborted) stop();
      else call.cancel.addEventListener('abort', stop, { once: true });
      child.stdin.on('error', () => {});
      child.stdin.end(stage.script);
      const drained = Promise.all([
        pump(child.stdout, (chunk) => call.output.out(chunk)),
        pump(child.stderr, (chunk) => call.output.err(chunk)),
      ]);
      const code = await ended;
      // What the script has left in the background would hold the output open, and outlive its stage.
      signal(pid, 'SIGKILL');
      clearTimeout(kill);
      call.cancel.removeEventListener('abort', stop);
      // One that has left the group could hold it open still: what it says is of no stage any more.
      const deaf = setTimeout(() => [child.stdout, child.stderr].map((stream) => stream.destroy()), graceMs);
      await drained.catch(() => {});
      clearTimeout(deaf);
      await rm(at(session.id, 'running.json'), { force: true });
      return call.cancel.aborted ? { kind: 'cancelled' } : { kind: 'exited', code };
    },
    cleanup,
    async sweep(isOver) {
      const names = (await readdir(workDir).catch(() => [] as string[])).filter((name) => SESSION.test(name));
      const over: Leftover[] = [];
      for (const session of names) {
        const read = await readJson(at(session, 'session.json'), note);
        const leftover = { session, owner: read?.owner ?? null, endsBefore: read?.endsBefore ?? null };
        if (!isOver(leftover)) continue;
        await cleanup(session);
        over.push(leftover);
      }
      return over;
    },
  };
}

async function pump(from: AsyncIterable<Uint8Array>, to: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of from) await to(chunk);
}
