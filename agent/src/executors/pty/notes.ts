import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ExecutorSession } from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import type { JobUser } from './users.ts';

const note = z.object({
  session: z.string(),
  owner: z.object({ pid: z.number(), startedAt: z.number(), boot: z.string(), namespace: z.string() }),
  endsBefore: z.number(),
  user: z.object({ uid: z.number(), gid: z.number(), name: z.string().nullable(), alone: z.boolean() }),
});

/** Which session has which user, and who started it. */
export type Note = z.infer<typeof note>;

const SESSION = /^[0-9]+-[0-9a-f]+$/;

/** Refuses what is no name of a session: it becomes part of a path. */
export function named(session: string): string {
  if (!SESSION.test(session)) throw new Error('no name of a session');
  return session;
}

/** Notes of all sessions: a file for each user that has a job, made whole and at once, so that no two jobs have one user. */
export class Notes {
  readonly #folder: string;
  readonly #workDir: string;

  constructor(workDir: string) {
    this.#workDir = workDir;
    this.#folder = join(workDir, 'users');
  }

  /** Takes the first user that has no job. */
  async take({ id, owner, endsBefore }: ExecutorSession, users: readonly JobUser[]): Promise<Note> {
    // Jobs reach their own folder through it, and list nothing.
    await mkdir(this.#workDir, { recursive: true, mode: 0o711 });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const beside = join(this.#folder, `.${named(id)}`);
    try {
      for (const user of users) {
        const taken: Note = { session: id, owner, endsBefore, user };
        await writeFile(beside, JSON.stringify(taken), { mode: 0o600 });
        try {
          await link(beside, join(this.#folder, user.alone ? `uid-${user.uid}` : `session-${id}`));
          return taken;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
      }
    } finally {
      await rm(beside, { force: true });
    }
    throw new ExecutorFailure(
      `each of the ${users.length} users in pty.users has a job: name as many as jobs may run at once (concurrent and limit in config.toml)`,
    );
  }

  /** Notes that can be read, with the file each stands in. */
  async all(): Promise<readonly { readonly path: string; readonly note: Note }[]> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    const found: { path: string; note: Note }[] = [];
    for (const name of names.filter((each) => !each.startsWith('.'))) {
      const path = join(this.#folder, name);
      try {
        found.push({ path, note: note.parse(JSON.parse(await readFile(path, 'utf8'))) });
      } catch (error) {
        // Given back meanwhile. One that cannot be read is nobody's: its user stays taken, and no job gets it.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') continue;
      }
    }
    return found;
  }

  async of(session: string): Promise<Note | null> {
    return (await this.all()).find((each) => each.note.session === session)?.note ?? null;
  }

  async giveBack(session: string): Promise<void> {
    for (const each of await this.all()) if (each.note.session === session) await rm(each.path, { force: true });
  }

  /** Sessions that have a folder here. */
  async folders(): Promise<readonly string[]> {
    return (await readdir(this.#workDir).catch(() => [] as string[])).filter((name) => SESSION.test(name));
  }
}
