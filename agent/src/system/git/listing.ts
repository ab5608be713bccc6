import type { Readable } from 'node:stream';
import { MAX_COVERED_FILES } from '../../domain/covered-files.ts';
import { fileMatcher, foldersOf, namesAttributes } from '../../domain/file-patterns.ts';
import { Unreadable } from './unreadable.ts';

/** An entry of a tree that a pattern means. */
export interface TreeEntry {
  readonly mode: '100644' | '100755' | '120000' | '160000';
  readonly object: string;
  readonly path: string;
}

/** So many paths of a repository are looked through, and so many characters of them. */
const MAX_PATHS = 500_000;
const MAX_PATH_BYTES = 4_096;
/** Which of them count is known at the end of the list alone. */
const MAX_ATTRIBUTES = 20_000;
/** Git still writes the first of these in old repositories. */
const MODES: Readonly<Record<string, TreeEntry['mode']>> = {
  '100664': '100644',
  '100644': '100644',
  '100755': '100755',
  '120000': '120000',
  '160000': '160000',
};

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Reads what `git ls-tree -r -z` prints, and keeps what the patterns mean, with the attributes that say how git writes it into
 * the work tree: line ends, encodings, `$Id$` and filters make another script of the same content (T5). Rejects with
 * {@link Unreadable}.
 */
export async function meantEntries(out: Readable, patterns: readonly string[]): Promise<readonly TreeEntry[]> {
  const matcher = fileMatcher(patterns);
  const found = new Map<string, TreeEntry>();
  const attributes: { folder: string; mode: string; object: string; name: Buffer }[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let count = 0;
  const keep = (mode: string, object: string, name: Buffer): void => {
    const path = textOf(name);
    const known = MODES[mode];
    if (known === undefined) throw new Unreadable(`${JSON.stringify(path)} is of a kind (${mode}) that is not known`);
    const parts = path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git'))
      throw new Unreadable(`${JSON.stringify(path)} is no path that git checks out`);
    if (found.has(path)) throw new Unreadable(`${JSON.stringify(path)} stands twice in its tree`);
    if (found.size >= MAX_COVERED_FILES) throw new Unreadable(`the patterns mean more than ${MAX_COVERED_FILES} files`);
    found.set(path, { mode: known, object, path });
  };
  const take = (record: Buffer): void => {
    if (++count > MAX_PATHS) throw new Unreadable(`the commit has more than ${MAX_PATHS} files`);
    const tab = record.indexOf(9);
    const [mode = '', , object = ''] = record.subarray(0, tab).toString('latin1').split(' ');
    const name = record.subarray(tab + 1);
    const readable = lenient.decode(name);
    // A link or a submodule in place of a folder leads to what a pattern means below it.
    const isLead = mode === '120000' || mode === '160000';
    const isMeant = matcher.matches(readable) || (isLead && matcher.leadsTo(readable));
    if (isMeant) keep(mode, object, name);
    const folder = isMeant ? null : namesAttributes(readable);
    if (folder === null) return;
    if (attributes.length >= MAX_ATTRIBUTES)
      throw new Unreadable(`the commit has more than ${MAX_ATTRIBUTES} files of the name .gitattributes`);
    attributes.push({ folder, mode, object, name: Buffer.from(name) });
  };
  for await (const part of out as AsyncIterable<Buffer>) {
    let from = 0;
    const bytes = rest.length === 0 ? part : Buffer.concat([rest, part]);
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, from)) {
      take(bytes.subarray(from, end));
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > MAX_PATH_BYTES + 100) throw new Unreadable(`a path has more than ${MAX_PATH_BYTES} bytes`);
  }
  const plain = [...found.values()].filter(({ mode }) => mode === '100644' || mode === '100755');
  const folders = new Set(plain.flatMap(({ path }) => foldersOf(path)));
  for (const { folder, mode, object, name } of attributes) if (folders.has(folder)) keep(mode, object, name);
  return [...found.values()];
}

function textOf(name: Buffer): string {
  try {
    return strict.decode(name);
  } catch {
    throw new Unreadable(`the path ${JSON.stringify(lenient.decode(name))} is no UTF-8`);
  }
}
