import type { ExecutorDriver, ExecutorResult, Leftover } from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import { fencedSessions, fenceHost, makeFence } from './fence.ts';
import { Notes, named } from './notes.ts';
import type { PtyOptions } from './options.ts';
import { type Place, placeOf } from './place.ts';
import { prepareSession } from './prepare.ts';
import { removeSession } from './remove.ts';
import { runStage } from './stage.ts';
import { jobUsers } from './users.ts';

/** One line for the job log: of what the host could not do, nothing but the kernel's word for it. */
function words(error: unknown): string {
  if (error instanceof ExecutorFailure) return error.message;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : `${syscall ?? 'the host'} failed with ${code}`;
}

/** Runs the stages of a job in shells of this host, each in a terminal of its own, as a user that is nobody else. */
export function ptyDriver(options: PtyOptions): ExecutorDriver {
  const host = fenceHost();
  const notes = new Notes(options.workDir);
  const place = (session: string): Place => placeOf(options.workDir, named(session));
  const told = async (work: () => Promise<ExecutorResult>, cancel: AbortSignal): Promise<ExecutorResult> => {
    try {
      return await work();
    } catch (error) {
      return cancel.aborted ? { kind: 'cancelled' } : { kind: 'system_failure', words: words(error) };
    }
  };
  const cleanup = (session: string) => removeSession(notes, host, place(session), session);
  return {
    name: 'pty',
    version: options.version,
    places: (session) => ({ buildsDir: place(session).builds, cacheDir: place(session).cache, shared: false }),
    prepare: (session, call) =>
      told(async () => {
        await cleanup(session.id);
        if (call.cancel.aborted) return { kind: 'cancelled' };
        const users = await jobUsers(options);
        const note = await notes.take(session, users);
        try {
          const fence = await makeFence(host, session.id, options);
          await prepareSession(place(session.id), note, fence, options, call);
        } catch (error) {
          await cleanup(session.id);
          throw error;
        }
        return call.cancel.aborted ? { kind: 'cancelled' } : { kind: 'exited', code: 0 };
      }, call.cancel),
    run: (session, stage, call) =>
      told(async () => {
        const note = await notes.of(session.id);
        const at = place(session.id);
        const fence = await at.preparedWith();
        if (note === null || fence === null)
          throw new ExecutorFailure(`job ${session.job.id} was not prepared on this host`);
        return runStage({ note, fence, host, place: at, options }, stage, call);
      }, call.cancel),
    cleanup,
    async sweep(isOver) {
      // In this order: a note is made before anything else of its session, and goes last.
      const parts = [...(await notes.folders()), ...(await fencedSessions(host))];
      const known = new Map((await notes.all()).map(({ note }) => [note.session, note]));
      const over: Leftover[] = [];
      for (const session of new Set([...parts, ...known.keys()])) {
        const note = known.get(session);
        const leftover = { session, owner: note?.owner ?? null, endsBefore: note?.endsBefore ?? null };
        if (!isOver(leftover)) continue;
        await cleanup(session);
        over.push(leftover);
      }
      return over;
    },
  };
}
