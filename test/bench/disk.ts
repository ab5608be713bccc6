import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { duration, median, percentile } from './measure.ts';

/** A folder whose files are in memory, where the system has one: what is left of a time there is not the disk's. */
export const MEMORY_FOLDER: string | null = existsSync('/dev/shm') ? '/dev/shm' : null;

/** What a durable write costs on this disk, and nothing else: milliseconds of one insert of one row each call. */
export function durableInsert(folder: string): () => number {
  const db = new Database(join(folder, `floor-${Math.random().toString(36).slice(2)}.sqlite`));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('create table t (id integer primary key, text text)');
  const insert = db.prepare('insert into t (text) values (?)');
  const text = 'x'.repeat(200);
  return () => {
    const start = performance.now();
    insert.run(text);
    return performance.now() - start;
  };
}

/** How quick the disk of temporary files is at this moment, in words. */
export function diskNote(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-disk-'));
  try {
    const insert = durableInsert(folder);
    const times = Array.from({ length: 300 }, insert);
    const [p50, p99] = [median(times), percentile(times, 0.99)].map(duration);
    return `The disk at that time: one durable insert of one row into SQLite takes ${p50} (p99 ${p99}).`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
