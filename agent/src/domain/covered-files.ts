import { digestOfText } from './digest.ts';
import { MAX_FILE_PATTERNS } from './file-patterns.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** The member of a Configuration that says what the covered files are. No payload may bring it. */
export const COVERED_FILES = 'covered_files';
/** Another way to write the section is another word: no digest without a section moves. */
export const COVERED_FILES_FORM = 'holdpoint.covered-files/v1';

/** So many files of one job are looked at; the section has to fit the form. */
export const MAX_COVERED_FILES = 1_000;
/** Of a larger file, or of one that is no text, the digest alone stands there. */
export const MAX_SHOWN_BYTES = 64 * 1024;
/** Where the texts have more together, none of them stands there: which ones do must not depend on their order. */
export const MAX_SHOWN_TOTAL_BYTES = 768 * 1024;

/** One entry of the repository's tree at the job's commit that a pattern means. */
export type CoveredFile =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly executable: boolean;
      /** 64 hex digits of the SHA-256 of its content. */
      readonly sha256: string;
      readonly bytes: number;
      /** Its text; null where it is none, or is too large to be shown. */
      readonly text: string | null;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'submodule'; readonly path: string; readonly commit: string };

/** What the repository has, or why nobody could tell, in words without anything secret. */
export type FilesRead =
  | { readonly ok: true; readonly files: readonly CoveredFile[] }
  | { readonly ok: false; readonly retry: boolean; readonly reason: string };

function entryOf(file: CoveredFile, shows: boolean): JsonObject {
  switch (file.kind) {
    case 'file': {
      const { path, executable, sha256, bytes, text } = file;
      const lines = shows && text !== null ? { lines: text.split('\n') } : {};
      return { path, mode: executable ? '100755' : '100644', sha256, size: bytes, ...lines };
    }
    case 'link':
      return { path: file.path, mode: '120000', target: file.target };
    case 'submodule':
      return { path: file.path, mode: '160000', commit: file.commit };
    default:
      return file satisfies never;
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Patterns as they stand in the section: each once, sorted by UTF-16 code units. */
export const sortedPatterns = (patterns: readonly string[]): readonly string[] => [...new Set(patterns)].sort(byText);

/**
 * The section for these patterns. It stands in the form whenever the policy asks, with an empty list where nothing matches:
 * a file that is gone is a change. What could not be read says so in place of the list: nothing else has that digest.
 */
export function filesSection(patterns: readonly string[], read: FilesRead): JsonObject {
  const head = { form: COVERED_FILES_FORM, patterns: sortedPatterns(patterns) };
  if (!read.ok) return { ...head, unread: read.reason };
  const shown = read.files.map((file) => (file.kind === 'file' && file.text !== null ? file.bytes : 0));
  const shows = shown.reduce((sum, bytes) => sum + bytes, 0) <= MAX_SHOWN_TOTAL_BYTES;
  const files = [...read.files].sort((a, b) => byText(a.path, b.path));
  return { ...head, files: files.map((file) => entryOf(file, shows)) };
}

/** The section as it stands in a Configuration. */
export interface FilesSection {
  readonly patterns: readonly string[];
  /** Null where nobody could read them. */
  readonly files: readonly JsonObject[] | null;
  readonly unread: string | null;
}

const isText = (value: Json | undefined): value is string => typeof value === 'string';
const hasOnly = (object: JsonObject, names: readonly string[]): boolean =>
  Object.keys(object).length === names.length && names.every((name) => Object.hasOwn(object, name));

function isEntry(entry: Json): entry is JsonObject {
  if (!isJsonObject(entry) || !isText(entry.path) || !isText(entry.mode)) return false;
  if (entry.mode === '120000') return isText(entry.target) && hasOnly(entry, ['path', 'mode', 'target']);
  if (entry.mode === '160000')
    return isText(entry.commit) && /^[0-9a-f]{40,64}$/.test(entry.commit) && hasOnly(entry, ['path', 'mode', 'commit']);
  if (entry.mode !== '100644' && entry.mode !== '100755') return false;
  const { sha256, size, lines } = entry;
  if (!isText(sha256) || !/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size)) return false;
  if (lines === undefined) return hasOnly(entry, ['path', 'mode', 'sha256', 'size']);
  return isJsonList(lines) && lines.every(isText) && hasOnly(entry, ['path', 'mode', 'sha256', 'size', 'lines']);
}

/** Paths whose lines are not those that have the SHA-256: whoever approves reads the lines, and what runs has the other. */
export function falseLines({ files }: FilesSection): readonly string[] {
  return (files ?? []).flatMap(({ path, sha256, lines }) =>
    isJsonList(lines) && digestOfText(lines.join('\n')) !== `sha256:${sha256}` ? [String(path)] : [],
  );
}

/** The section of a Configuration, null where it has none. A section that is not well formed is none. */
export function filesSectionOf(configuration: JsonObject): FilesSection | null {
  const section = Object.hasOwn(configuration, COVERED_FILES) ? configuration[COVERED_FILES] : undefined;
  if (!isJsonObject(section) || section.form !== COVERED_FILES_FORM) return null;
  const { patterns, files, unread } = section;
  if (!isJsonList(patterns) || !patterns.every(isText) || patterns.length > MAX_FILE_PATTERNS) return null;
  if (patterns.some((pattern, i) => i > 0 && byText(patterns[i - 1]!, pattern) >= 0)) return null;
  if (isText(unread))
    return hasOnly(section, ['form', 'patterns', 'unread']) ? { patterns, files: null, unread } : null;
  if (!isJsonList(files) || !files.every(isEntry) || !hasOnly(section, ['form', 'patterns', 'files'])) return null;
  if (files.some((file, i) => i > 0 && byText(files[i - 1]!.path as string, file.path as string) >= 0)) return null;
  return { patterns, files, unread: null };
}
