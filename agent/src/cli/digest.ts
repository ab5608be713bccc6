import { canonicalJson } from '../domain/canonical-json.ts';
import type { Facts } from '../domain/facts.ts';
import type { Json } from '../domain/json.ts';
import { printable } from '../domain/printable.ts';
import { withSections } from '../domain/sections.ts';
import { type SectionOptions, type SectionParts, type SectionReading, sectionsOfPayload } from './digest-sections.ts';
import {
  exitOf,
  type FileIo,
  FileProblem,
  type PayloadFileOptions,
  readOrProblem,
  readVariableKey,
  readVerifier,
  refusalLine,
  type VerifierOf,
} from './payload-files.ts';

/** What the command needs of a reading; the runner's folder has the rest. */
export type PayloadReader = (
  bytes: Uint8Array,
  options: {
    instance: string;
    runner: string;
    variableKey: Uint8Array | null;
    verifyIdToken: (jwt: string) => Record<string, Json> | null;
  },
) =>
  | {
      readonly ok: true;
      readonly configuration: { readonly [key: string]: Json };
      readonly canonical: string;
      readonly digest: string;
      readonly facts: Facts;
      readonly sources: SectionReading['sources'];
      readonly explain: () => readonly {
        readonly path: string;
        readonly outcome: string;
        readonly value: string | null;
        readonly reason: string;
      }[];
    }
  | {
      readonly ok: false;
      readonly code: 'payload_refused' | 'variable_key_needed';
      readonly path: string;
      readonly reason: string;
    };

/** Options of `holdpoint digest`. */
export interface DigestOptions extends PayloadFileOptions, SectionOptions {
  /** Print the canonical text instead: its SHA-256 is the digest. */
  readonly canonical?: boolean;
  /** Print what became of each leaf. */
  readonly explain?: boolean;
}

/** `holdpoint digest FILE…`: a line a file as sha256sum prints it. Resolves to the exit code. */
export async function digestCommand(
  files: string[],
  options: DigestOptions,
  io: FileIo,
  reader: PayloadReader,
  verifierOf: VerifierOf,
  sectionParts: SectionParts | null = null,
): Promise<number> {
  let exit = 0;
  const problem = (error: unknown): void => {
    if (!(error instanceof FileProblem)) throw error;
    io.err(`${error.message}\n`, error.code);
    exit = exitOf(error.code);
  };
  const bad = (line: string): number => {
    io.err(line, 'bad_usage');
    return exitOf('bad_usage');
  };
  if (files.length === 0)
    return bad('digest: no file given; wanted the JSON that GitLab answers to jobs/request, one job a file\n');
  if (options.canonical === true && options.explain === true)
    return bad('digest: --canonical and --explain exclude each other\n');

  let variableKey: Uint8Array | null;
  let verifyIdToken: (jwt: string) => Record<string, Json> | null;
  try {
    variableKey = await readVariableKey(io, options.variableKeyFile);
    verifyIdToken = await readVerifier(io, options.jwks, verifierOf);
  } catch (error) {
    problem(error);
    return exit;
  }

  const rows: object[] = [];
  for (const file of files) {
    let bytes: Uint8Array;
    try {
      bytes = await readOrProblem(io, file);
    } catch (error) {
      problem(error);
      rows.push({ file, digest: null, code: 'bad_input', path: null, reason: 'cannot be read' });
      continue;
    }
    const reading = reader(bytes, { instance: '', runner: '', variableKey, verifyIdToken });
    if (!reading.ok) {
      io.err(refusalLine(file, reading), reading.code);
      exit = exitOf(reading.code);
      rows.push({ file, digest: null, code: reading.code, path: reading.path, reason: reading.reason });
      continue;
    }
    let whole: ReturnType<typeof withSections>;
    try {
      const sections = sectionParts === null ? {} : await sectionsOfPayload(file, reading, options, io, sectionParts);
      whole = withSections(reading, sections);
    } catch (error) {
      problem(error);
      rows.push({ file, digest: null, code: 'bad_input', path: null, reason: (error as Error).message });
      continue;
    }
    const canonical = canonicalJson(whole.configuration);
    if (options.json === true) {
      rows.push({
        file,
        digest: whole.digest,
        ...(options.canonical === true ? { canonical } : {}),
        ...(options.explain === true ? { explain: reading.explain() } : {}),
      });
    } else if (options.canonical === true) {
      // As it is: the text is what is hashed. JCS escapes the control characters.
      io.out(`${canonical}\n`);
    } else {
      io.out(`${whole.digest}  ${printable(file)}\n`);
      if (options.explain === true) for (const row of reading.explain()) io.out(`${explainLine(row)}\n`);
    }
  }
  if (options.json === true) io.out(`${JSON.stringify(rows, null, 2)}\n`);
  return exit;
}

function explainLine(row: { path: string; outcome: string; value: string | null; reason: string }): string {
  const value = row.value === null ? '' : ` = ${printable(row.value)}`;
  const reason = row.reason === '' ? '' : `  (${printable(row.reason)})`;
  return `  ${row.outcome.padEnd(9)}  ${printable(row.path)}${value}${reason}`;
}
