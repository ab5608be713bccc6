import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';

/** A tar.gz of these files, mode 0600, in one folder. */
export async function archive(folder: string, files: ReadonlyMap<string, string>, at: Date): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of files) tar.entry({ name: `${folder}/${name}`, mode: 0o600, mtime: at }, text);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar.pipe(createGzip())) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
