import { HoldpointError } from '../domain/errors.ts';
import type { KeyOfStore, Store } from '../ports/store.ts';

/** A key of this host: its fingerprint, and where it lies. */
export interface OwnKey {
  readonly fingerprint: string;
  readonly path: string;
}

const WITHOUT: Readonly<Record<KeyOfStore, string>> = {
  variable:
    'with another one every approval with a hidden value would be lost, and approvals of two hubs would not be one',
  hub: 'agents know the hub by it, and auditors what it signs',
  recordings: 'no hub could read what another has recorded',
};

/**
 * Refuses keys that are not those that the store was written with; the first hub of a store says which those are. With `shared` that
 * holds for the hub's key and that of recordings, too: a hub that has the store to itself may have new ones. Rejects with `bad_config`.
 */
export async function requireSameKeys(
  store: Store,
  keys: Readonly<Record<KeyOfStore, OwnKey>>,
  shared: boolean,
): Promise<void> {
  const differs = async (kind: KeyOfStore, reader: Pick<Store, 'keyCheck'>): Promise<boolean> => {
    const known = await reader.keyCheck(kind);
    if (known === null || (kind !== 'variable' && !shared)) return known !== keys[kind].fingerprint;
    if (known === keys[kind].fingerprint) return false;
    throw new HoldpointError(
      'bad_config',
      `the ${kind} key ${keys[kind].path} is ${keys[kind].fingerprint}, but the store was written with ${known}: ${WITHOUT[kind]}. Put that one there, from another hub or from your backup ("holdpoint keys list" shows which it is)`,
    );
  };
  for (const kind of ['variable', 'hub', 'recordings'] as const) {
    // Nearly every start finds them as they are, and writes nothing.
    if (!(await differs(kind, store))) continue;
    // Looked at again in the write: of two first hubs with two keys one is refused.
    await store.write(async (tx) => {
      if (await differs(kind, tx)) await tx.putKeyCheck(kind, keys[kind].fingerprint);
    });
  }
}
