import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './programs.ts';

/** Programs of busybox that jobs of the tests use. */
const PROGRAMS =
  'sh ash cat cp chmod chown cut date dd echo env false grep head hostname id kill ls mkdir mv nc ping printf ps rm seq sleep sort stat tail test touch tr true wc wget mount id nslookup'.split(
    ' ',
  );

/** Makes a tar of a small system from busybox-static, as `docker import` takes it. */
export async function busyboxTar(to: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
  const program = process.env.BUSYBOX_PATH ?? '/bin/busybox';
  if (!existsSync(program)) throw new Error('busybox-static is not here: apt-get install busybox-static');
  const root = mkdtempSync(join(tmpdir(), 'holdpoint-busybox-'));
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'usr']) mkdirSync(join(root, folder));
  copyFileSync(program, join(root, 'bin/busybox'));
  for (const name of new Set(PROGRAMS)) symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nbuild:x:1234:1234::/:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nbuild:x:1234:\n');
  for (const [path, text] of Object.entries(more)) writeFileSync(join(root, path), text, { mode: 0o755 });
  await runProgram('tar', ['-C', root, '--owner=0', '--group=0', '-cf', to, '.']);
  rmSync(root, { recursive: true, force: true });
}
