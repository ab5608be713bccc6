import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where the test command looks for it, too. */
const PATHS = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of the Chromium of this machine. Throws with what to install where there is none. */
export function chromiumPath(): string {
  const path = PATHS.find((candidate) => candidate !== undefined && existsSync(candidate));
  if (path !== undefined) return path;
  throw new Error(
    'Chromium is missing: this suite runs the page in it. Install it (Debian: apt-get install chromium) ' +
      'or name it in CHROMIUM_PATH; the test command `npm test` installs it by itself where it may.',
  );
}

/** A browser without a window that talks to nobody but the pages it is told to open. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
