import { type Kysely, sql } from 'kysely';
import { breathe } from '../app/breathe.ts';
import type { StoreWriter } from '../ports/store.ts';
import type { Schema } from './schema.ts';
import { written } from './writer.ts';

/** Works that one transaction takes at most, and when it takes no more: whoever reads waits as long, and so does every socket. */
const MAX_TOGETHER = 64;
const TOGETHER_MS = 20;

/** Runs `work` in a transaction; rejects without having begun it, or with nothing of it done. */
export type Transact = (work: (db: Kysely<Schema>) => Promise<void>) => Promise<void>;

/** Writes that share transactions. */
export interface Together {
  /** Runs all of `work` or nothing of it, after all that was asked for before; resolves when it is in the store for good. */
  write<T>(work: (tx: StoreWriter) => Promise<T>): Promise<T>;
  /** Resolves when nothing waits to be written. */
  idle(): Promise<void>;
}

interface Waiting {
  /** Answers how to tell whoever asked, which is done when it is in the store for good. */
  run(db: Kysely<Schema>): Promise<() => void>;
  reject(cause: unknown): void;
}

/**
 * What is asked for at the same moment is written in one transaction: syncing the disk takes longer than most of what is written,
 * and a hub that was started again is asked by thousands of agents at once. Each work is as if alone all the same: one that
 * fails is taken back by itself, and none is told of before all are in the store for good. `isOpen`: a transaction is still there.
 */
export function together(transact: Transact, isOpen: () => boolean): Together {
  let queue: Waiting[] = [];
  let working: Promise<void> | null = null;

  async function part(db: Kysely<Schema>, taken: Waiting[], told: (() => void)[]): Promise<void> {
    const until = performance.now() + TOGETHER_MS;
    do {
      const next = queue.shift()!;
      taken.push(next);
      // What fails first takes nobody's work with it.
      told.push(taken.length === 1 ? await next.run(db) : await byItself(db, () => next.run(db), next.reject));
    } while (queue.length > 0 && taken.length < MAX_TOGETHER && performance.now() < until);
  }

  /** Takes back this work alone where it fails. Rejects when the database has given up the whole transaction. */
  async function byItself(
    db: Kysely<Schema>,
    work: () => Promise<() => void>,
    reject: (cause: unknown) => void,
  ): Promise<() => void> {
    await sql`savepoint one`.execute(db);
    try {
      const told = await work();
      await sql`release one`.execute(db);
      return told;
    } catch (cause) {
      // A full disk ends all of it, and what went before it is then not in the store either.
      if (!isOpen()) throw cause;
      await sql`rollback to one`.execute(db);
      await sql`release one`.execute(db);
      return () => reject(cause);
    }
  }

  async function alone(one: Waiting): Promise<void> {
    let told = (): void => {};
    try {
      await transact(async (db) => {
        told = await one.run(db);
      });
      told();
    } catch (cause) {
      one.reject(cause);
    }
  }

  async function someOf(): Promise<void> {
    const asked = [...queue];
    const taken: Waiting[] = [];
    const told: (() => void)[] = [];
    try {
      await transact((db) => part(db, taken, told));
      for (const tell of told) tell();
    } catch (cause) {
      if (taken.length === 0) {
        // It could not even begin. Who has come meanwhile has not waited as long as the others.
        queue = queue.slice(asked.length);
        for (const { reject } of asked) reject(cause);
      } else if (taken.length === 1) taken[0]!.reject(cause);
      // Whose fault it is cannot be told: each for itself, in the same order, as if there had been no others.
      else for (const one of taken) await alone(one);
    }
  }

  async function work(): Promise<void> {
    // Whoever asks alone is not kept waiting; while there is much to write, whoever asks at this moment comes along.
    for (; queue.length > 0; await breathe()) await someOf();
    working = null;
  }

  return {
    write: <T>(each: (tx: StoreWriter) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        queue.push({
          async run(db) {
            const result = await written(db, each);
            return () => resolve(result);
          },
          reject,
        });
        working ??= work();
      }),
    async idle() {
      await working;
    },
  };
}
