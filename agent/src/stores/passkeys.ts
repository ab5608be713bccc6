import type { Kysely, Selectable } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { Passkey } from '../domain/passkey.ts';
import type { PasskeyReads, PasskeyWrites } from '../ports/passkey-store.ts';
import type { PasskeyTable, Schema } from './schema.ts';

function passkeyOf(row: Selectable<PasskeyTable>): Passkey {
  return {
    id: row.id,
    person: { id: row.person_id, username: row.username },
    name: row.name,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    counter: row.counter,
    transports: JSON.parse(row.transports) as Passkey['transports'],
    createdAt: row.created_at,
    confirmed:
      row.confirmed_at === null
        ? null
        : { at: row.confirmed_at, by: row.confirmed_by ?? 0, username: row.confirmed_username ?? '' },
    lastUsedAt: row.last_used_at,
    removedAt: row.removed_at,
  };
}

const changes = (passkey: Omit<Passkey, 'id'>) => ({
  counter: passkey.counter,
  confirmed_at: passkey.confirmed?.at ?? null,
  confirmed_by: passkey.confirmed?.by ?? null,
  confirmed_username: passkey.confirmed?.username ?? null,
  last_used_at: passkey.lastUsedAt,
  removed_at: passkey.removedAt,
});

/** Reads of passkeys and of challenges that were given out. */
export function passkeyReads(db: Kysely<Schema>): PasskeyReads {
  const one = async (column: 'id' | 'credential_id', value: number | string) => {
    const row = await db.selectFrom('passkeys').selectAll().where(column, '=', value).executeTakeFirst();
    return row === undefined ? null : passkeyOf(row);
  };
  return {
    passkey: (id) => one('id', id),
    passkeyOfCredential: (credentialId) => one('credential_id', credentialId),
    async passkeysOf(person) {
      const rows = await db
        .selectFrom('passkeys')
        .selectAll()
        .where('person_id', '=', person)
        .where('removed_at', 'is', null)
        .orderBy('id')
        .execute();
      return rows.map(passkeyOf);
    },
    async unconfirmedPasskeys(limit) {
      const rows = await db
        .selectFrom('passkeys')
        .selectAll()
        .where('confirmed_at', 'is', null)
        .where('removed_at', 'is', null)
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(passkeyOf);
    },
    async challenge(challenge) {
      const row = await db.selectFrom('challenges').selectAll().where('challenge', '=', challenge).executeTakeFirst();
      if (row === undefined) return null;
      return {
        challenge: row.challenge,
        nonce: row.nonce,
        decision: row.decision === null ? null : JSON.parse(row.decision),
        person: row.person_id,
        token: row.token,
        expiresAt: row.expires_at,
        usedAt: row.used_at,
      };
    },
  };
}

/** Writes of passkeys and challenges. */
export function passkeyWrites(db: Kysely<Schema>): PasskeyWrites {
  return {
    async insertPasskey(passkey) {
      const { id } = await db
        .insertInto('passkeys')
        .values({
          person_id: passkey.person.id,
          username: passkey.person.username,
          name: passkey.name,
          credential_id: passkey.credentialId,
          public_key: passkey.publicKey,
          transports: JSON.stringify(passkey.transports),
          created_at: passkey.createdAt,
          ...changes(passkey),
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...passkey, id };
    },
    async updatePasskey(passkey) {
      await db.updateTable('passkeys').set(changes(passkey)).where('id', '=', passkey.id).execute();
    },
    async insertChallenge({ challenge, nonce, decision, person, token, expiresAt, usedAt }, now) {
      await db.deleteFrom('challenges').where('person_id', '=', person).where('expires_at', '<=', now).execute();
      await db
        .insertInto('challenges')
        .values({
          challenge,
          nonce,
          decision: decision === null ? null : JSON.stringify(decision),
          person_id: person,
          token,
          expires_at: expiresAt,
          used_at: usedAt,
        })
        .execute();
    },
    async useChallenge(challenge, at) {
      const { numUpdatedRows } = await db
        .updateTable('challenges')
        .set({ used_at: at })
        .where('challenge', '=', challenge)
        .where('used_at', 'is', null)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows !== 1n)
        throw new HoldpointError('hold_conflict', 'this answer of a passkey was used already: ask for another');
    },
  };
}
