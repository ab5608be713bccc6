import { statSync } from 'node:fs';
import { sql } from 'kysely';
import { type Seen, type StoreLook, seen, unseen } from '../domain/doctor/observation.ts';
import { HoldpointError } from '../domain/errors.ts';
import { SCHEMA_VERSION } from './migrate.ts';
import { placeName, type StorePlace } from './places.ts';
import { openPostgresAsItIs } from './postgres.ts';
import { schemaIn } from './store.ts';
import { translated } from './store-errors.ts';

type State = StoreLook['state'];

/** What a store says of itself to whoever only reads: nothing of it is made, migrated or written. */
export async function lookAtStore(place: StorePlace): Promise<Seen<StoreLook>> {
  const look = (state: State): Seen<StoreLook> => seen({ name: placeName(place), wanted: SCHEMA_VERSION, state });
  if (place.kind === 'postgres') return look(await postgresState(place.url));
  const { path } = place;
  const closed = unseen(`${path} is not seen by this user`, 'run "holdpoint doctor" as root');
  try {
    const { uid, gid } = statSync(path);
    return asOwner(uid, gid, () => look(sqliteState(path))) ?? closed;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? look({ outcome: 'absent' }) : closed;
  }
}

/**
 * SQLite makes files beside a database that is only read. Those of root would keep the hub from its own store, so root reads as the
 * owner for the moment that it takes; null: this user is neither.
 */
function asOwner<T>(uid: number, gid: number, work: () => T): T | null {
  const { geteuid, getegid, seteuid, setegid } = process;
  const own = geteuid?.();
  if (own === undefined || own === uid) return work();
  if (own !== 0 || getegid === undefined || seteuid === undefined || setegid === undefined) return null;
  const group = getegid();
  setegid(gid);
  try {
    seteuid(uid);
    return work();
  } finally {
    seteuid(own);
    setegid(group);
  }
}

function sqliteState(path: string): State {
  try {
    return { outcome: 'open', schema: schemaIn(path), server: null, readOnly: false };
  } catch (error) {
    return awayOf(error);
  }
}

function awayOf(error: unknown): State {
  if (!(error instanceof HoldpointError)) throw error;
  return { outcome: 'away', why: error.message };
}

async function postgresState(url: string): Promise<State> {
  const { db, faults } = openPostgresAsItIs({ url, connections: 1 });
  try {
    const { rows } = await sql<{ server: string; closed: string; has: boolean }>`
      select current_setting('server_version') as server, current_setting('transaction_read_only') as closed,
        to_regclass('schema_version') is not null as has`.execute(db);
    const { server = '0', closed = 'on', has = false } = rows[0] ?? {};
    const row = has
      ? await db
          .selectFrom('schema_version')
          .select((eb) => eb.fn.max('version').as('version'))
          .executeTakeFirst()
      : undefined;
    const version = server.split(' ')[0] ?? server;
    return { outcome: 'open', schema: Number(row?.version ?? 0), server: version, readOnly: closed === 'on' };
  } catch (cause) {
    return awayOf(translated(faults, cause));
  } finally {
    await db.destroy();
  }
}
