import { accessSync, constants } from 'node:fs';
import type { FileKind } from './file-kinds.ts';
import type { ConfigSources } from './sources.ts';

/**
 * What is run by hand (doctor, backup, keys, config) has the credentials of no unit: it looks where those of ours are, which root may and,
 * while the unit runs, its user. Without it, such a command would call missing what the service has.
 */
export function withUnitCredentials(sources: ConfigSources, { credentials }: FileKind): ConfigSources {
  if (sources.env.CREDENTIALS_DIRECTORY) return sources;
  const folder = (sources.credentials ?? credentials).find(isOpen);
  return folder === undefined ? sources : { ...sources, env: { ...sources.env, CREDENTIALS_DIRECTORY: folder } };
}

function isOpen(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
