import { existsSync } from 'node:fs';
import { verifyAudit } from '../app/verify-audit.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import { copyRows, type RawStore } from './copy.ts';
import { SCHEMA_VERSION } from './migrate.ts';
import { openPostgres, openPostgresAsItIs, openPostgresStore, postgresName } from './postgres.ts';
import { reader } from './reader.ts';
import { openSqlite, openStore, snapshot } from './store.ts';
import { translated } from './store-errors.ts';

/** Where a store is: a file of SQLite, or a database of PostgreSQL. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string };

/** Opens (and where needed creates or migrates) the store there. Rejects with `store_unavailable` in words when it cannot. */
export async function openStoreAt(place: StorePlace): Promise<Store> {
  return place.kind === 'sqlite' ? openStore({ path: place.path }) : openPostgresStore({ url: place.url });
}

/** The place as people are told of it, without a password. */
export function placeName(place: StorePlace): string {
  return place.kind === 'sqlite' ? place.path : postgresName(place.url);
}

async function openRaw(place: StorePlace): Promise<RawStore> {
  const { db } = place.kind === 'sqlite' ? await openSqlite(place.path) : await openPostgres({ url: place.url });
  return { dialect: place.kind, name: placeName(place), db };
}

/** What was copied. */
export interface StoreCopy {
  /** Rows of all tables. */
  readonly rows: number;
  /** End of the audit in both. */
  readonly audit: { readonly seq: number; readonly hash: string };
}

/**
 * Copies a store that no hub has open to a place that has none yet, and reads the whole audit there again. What it was copied from
 * stays as it is. Rejects with `not_found` for no store, `wrong_state` where something is already, `audit_broken` when the chain does not verify.
 */
export async function copyStore(from: StorePlace, to: StorePlace): Promise<StoreCopy> {
  if (from.kind === 'sqlite' && !existsSync(from.path))
    throw new HoldpointError('not_found', `there is no store at ${from.path}`);
  const source = await openRaw(from);
  try {
    const target = await openRaw(to);
    try {
      const before = await verified(source, 'nothing was copied');
      const copied = await copyRows(source, target);
      const there = await verified(target, 'do not use the copy');
      const after = await reader(source.db).auditHead();
      if (after.hash !== before.hash || there.hash !== before.hash) {
        throw new HoldpointError(
          'wrong_state',
          `${source.name} was written to while it was copied: stop its hub, empty ${target.name} and copy again`,
        );
      }
      return { rows: [...copied.values()].reduce((sum, count) => sum + count, 0), audit: there };
    } finally {
      await target.db.destroy();
    }
  } finally {
    await source.db.destroy();
  }
}

/**
 * Writes the store as it is at one moment into a new file of SQLite (mode 0600), while hubs go on writing to it. Answers its schema;
 * nothing was copied from a database where that is not this program's. Rejects with `store_unavailable` in words.
 */
export async function snapshotOf(place: StorePlace, to: string): Promise<number> {
  if (place.kind === 'sqlite') return snapshot(place.path, to);
  const { db, faults } = openPostgresAsItIs({ url: place.url, connections: 1 });
  try {
    // All that it reads is of the moment of its first question.
    return await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (tx) => {
        const row = await tx
          .selectFrom('schema_version')
          .select((eb) => eb.fn.max('version').as('version'))
          .executeTakeFirst();
        const schema = Number(row?.version ?? 0);
        if (schema !== SCHEMA_VERSION) return schema;
        const target = await openSqlite(to);
        try {
          await copyRows(
            { dialect: 'postgres', name: faults.name, db: tx },
            { dialect: 'sqlite', name: to, db: target.db },
          );
        } finally {
          await target.db.destroy();
        }
        return schema;
      });
  } catch (cause) {
    throw translated(faults, cause);
  } finally {
    await db.destroy();
  }
}

async function verified({ db, name }: RawStore, otherwise: string) {
  const report = await verifyAudit(reader(db));
  if (!report.ok)
    throw new HoldpointError('audit_broken', `the audit of ${name} is broken, ${otherwise}: ${report.message}`);
  return reader(db).auditHead();
}
