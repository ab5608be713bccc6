import type { HubConfig } from './config/load.ts';
import { readSecretFile } from './config/secret-file.ts';
import { HoldpointError } from './domain/errors.ts';
import type { StorePlace } from './stores/places.ts';

/** Where a store is, as the stores take it. */
export function placeOf(store: HubConfig['hub']['store']): StorePlace {
  return store.kind === 'sqlite' ? store : { kind: 'postgres', url: addressOf(store) };
}

/** The address with the password that its file has. */
export function addressOf({ url, passwordFile }: Extract<HubConfig['hub']['store'], { kind: 'postgres' }>): string {
  if (passwordFile === null) return url;
  const reading = readSecretFile(passwordFile, passwordFile);
  if (!reading.ok) throw new HoldpointError('bad_config', `hub.store_password_file: ${reading.message}`);
  const full = new URL(url);
  full.password = encodeURIComponent(reading.value);
  return full.href;
}
