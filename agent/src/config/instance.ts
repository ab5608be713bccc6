import { basename, dirname } from 'node:path';
import type { FileKind } from './file-kinds.ts';

/** Where the units look for their files. */
const FOLDER = '/etc/holdpoint';

/** Name of the unit holdpoint-agent@NAME that reads this file; null where it is another's. */
function instanceOf({ name }: FileKind, file: string | null): string | null {
  if (name !== 'agent.yml' || file === null || dirname(file) !== FOLDER) return null;
  return /^agent-([A-Za-z0-9:_.-]+)\.yml$/.exec(basename(file))?.[1] ?? null;
}

/** Defaults of one of several agents on a host, so that what is run by hand looks where its unit keeps things. */
export function instanceDefaults(kind: FileKind, file: string | null): Readonly<Record<string, string>> {
  const instance = instanceOf(kind, file);
  return instance === null ? {} : { state_dir: `/var/lib/holdpoint-${instance}` };
}
