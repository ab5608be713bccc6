import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { MAX_SHOWN_BYTES } from '../../domain/covered-files.ts';
import { Unreadable } from './unreadable.ts';

/** Content of one object. */
export interface Content {
  readonly sha256: string;
  readonly bytes: number;
  /** Its text; null where it is none, or is longer than what is shown. */
  readonly text: string | null;
}

/** 32 MiB: nothing that a person reads is as large, and every covered file is read whole. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const MAX_ALL_BYTES = 128 * 1024 * 1024;

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textIn(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

interface Body {
  readonly hash: Hash;
  readonly bytes: number;
  readonly kept: Buffer[];
  left: number;
}

/** Reads what `git cat-file --batch` prints for these objects, in their order. Rejects with {@link Unreadable}. */
export async function contentsOf(out: Readable, objects: readonly string[]): Promise<ReadonlyMap<string, Content>> {
  const found = new Map<string, Content>();
  let head = Buffer.alloc(0);
  let body: Body | null = null;
  let all = 0;
  const begin = (line: string): void => {
    const [object = '', type, size] = line.split(' ');
    if (object !== objects[found.size] || type !== 'blob' || !/^\d{1,15}$/.test(size ?? ''))
      throw new Unreadable('the repository does not give the content of its files');
    const bytes = Number(size);
    all += bytes;
    if (bytes > MAX_FILE_BYTES)
      throw new Unreadable(`a covered file has more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`);
    if (all > MAX_ALL_BYTES)
      throw new Unreadable(`the covered files have more than ${MAX_ALL_BYTES / 1024 / 1024} MiB`);
    body = { hash: createHash('sha256'), left: bytes, bytes, kept: [] };
  };
  for await (const part of out as AsyncIterable<Buffer>) {
    let rest = part;
    while (rest.length > 0) {
      if (body === null) {
        const end = rest.indexOf(10);
        head = Buffer.concat([head, end === -1 ? rest : rest.subarray(0, end)]);
        if (head.length > 200) throw new Unreadable('the repository does not give the content of its files');
        rest = end === -1 ? rest.subarray(rest.length) : rest.subarray(end + 1);
        if (end === -1) continue;
        begin(head.toString('latin1'));
        head = Buffer.alloc(0);
        continue;
      }
      const current: Body = body;
      const piece = rest.subarray(0, current.left);
      current.hash.update(piece);
      if (current.bytes <= MAX_SHOWN_BYTES) current.kept.push(piece);
      current.left -= piece.length;
      rest = rest.subarray(piece.length);
      // One line end follows the content.
      if (current.left > 0 || rest.length === 0) continue;
      const text = current.bytes <= MAX_SHOWN_BYTES ? textIn(Buffer.concat(current.kept)) : null;
      found.set(objects[found.size]!, { sha256: current.hash.digest('hex'), bytes: current.bytes, text });
      body = null;
      rest = rest.subarray(1);
    }
  }
  if (found.size !== objects.length) throw new Unreadable('the repository does not give the content of its files');
  return found;
}
