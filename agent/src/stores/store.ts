import type { Store } from '../ports/store.ts';

export interface StoreOptions {
  /** Path of the database file; `:memory:` for one that ends with the process. */
  readonly path: string;
}

/** Opens (and where needed creates or migrates) the store. Rejects with `store_unavailable` in words when it cannot. */
export async function openStore(_options: StoreOptions): Promise<Store> {
  throw new Error('being written');
}
