import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PREFIX = 'credential:';
/** What our units call a whole folder of credentials; systemd puts it before each file's name. */
const FOLDER = 'holdpoint_';

/**
 * The absolute path of a file setting. `credential:NAME` is what systemd gave this process as NAME (LoadCredential=), or the file NAME of
 * /etc/holdpoint/credentials, which our units load; anything else is a path that starts from `folder`.
 */
export function filePath(text: string, folder: string, env: Readonly<Record<string, string | undefined>>): string {
  if (!text.startsWith(PREFIX)) return resolve(folder, text);
  const name = text.slice(PREFIX.length);
  // Only systemd knows the folder. Without it there is no such file, and whoever reads it says so.
  const given = env.CREDENTIALS_DIRECTORY || '/run/credentials/none';
  // A name is no path: it must not lead out of the folder.
  if (!/^[A-Za-z0-9_.@-]+$/.test(name) || name === '..') return join(given, 'no-such-name');
  const exact = join(given, name);
  return existsSync(exact) ? exact : join(given, `${FOLDER}${name}`);
}
