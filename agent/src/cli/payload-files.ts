import { ERRORS, type ErrorCode } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { printable } from '../domain/printable.ts';

/** What `digest` and `diff` use of the world. */
export interface FileIo {
  /** Writes a text to standard output, as it is. */
  readonly out: (text: string) => void;
  /** Writes a text to standard error, as it is; the code is for programs. */
  readonly err: (text: string, code: ErrorCode) => void;
  readonly readFile: (path: string) => Promise<Uint8Array>;
}

/** Options that `digest` and `diff` share. */
export interface PayloadFileOptions {
  readonly json?: boolean;
  /** File with the key of HMACs: 32 bytes, or their 64 hex digits, or their base64, with or without a line end. */
  readonly variableKeyFile?: string;
  /** File with GitLab's key set (`/oauth/discovery/keys`): id tokens are verified against it. */
  readonly jwks?: string;
}

/** Makes a verifier of a parsed key set. */
export type VerifierOf = (jwks: unknown) => (jwt: string) => Record<string, Json> | null;

/** A problem with one file or option, in one line; the exit code comes from the table of errors. */
export class FileProblem extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Exit code of a problem. */
export function exitOf(code: ErrorCode): number {
  return ERRORS[code].exit;
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read by this user',
  EISDIR: 'it is a directory',
};

/** Reads a file or throws a FileProblem that says why not. */
export async function readOrProblem(io: FileIo, path: string): Promise<Uint8Array> {
  try {
    return await io.readFile(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const why = typeof code === 'string' ? (WHY[code] ?? code) : 'unknown error';
    throw new FileProblem('bad_input', `${printable(path)}: cannot be read: ${why}`);
  }
}

/** The 32 bytes of a key: raw, or written as 64 hex digits or as base64. */
export function parseVariableKey(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length === 32) return bytes;
  const text = new TextDecoder().decode(bytes).trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) {
    const key = Buffer.from(text, 'base64');
    if (key.length === 32) return new Uint8Array(key);
  }
  return null;
}

/** Reads the key of HMACs; null when none is given. */
export async function readVariableKey(io: FileIo, path: string | undefined): Promise<Uint8Array | null> {
  if (path === undefined) return null;
  const key = parseVariableKey(await readOrProblem(io, path));
  if (key !== null) return key;
  throw new FileProblem(
    'bad_input',
    `${printable(path)}: is no variable key: wanted 32 bytes, 64 hex digits or base64 of 32 bytes`,
  );
}

/** Reads a key set and makes its verifier; without one nothing verifies. */
export async function readVerifier(
  io: FileIo,
  path: string | undefined,
  verifierOf: VerifierOf,
): Promise<(jwt: string) => Record<string, Json> | null> {
  if (path === undefined) return () => null;
  const bytes = await readOrProblem(io, path);
  let jwks: unknown;
  try {
    jwks = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new FileProblem(
      'bad_input',
      `${printable(path)}: is no JSON: wanted GitLab's key set, as /oauth/discovery/keys answers it`,
    );
  }
  if (typeof jwks !== 'object' || jwks === null || !Array.isArray((jwks as { keys?: unknown }).keys)) {
    throw new FileProblem(
      'bad_input',
      `${printable(path)}: has no list "keys": wanted GitLab's key set, as /oauth/discovery/keys answers it`,
    );
  }
  return verifierOf(jwks);
}

/** What to do about a payload without a digest. */
export function refusalLine(file: string, refusal: { code: string; path: string; reason: string }): string {
  const way = refusal.code === 'variable_key_needed' ? '; give it with --variable-key-file FILE' : '';
  return `${printable(file)}: ${printable(refusal.path)}: ${printable(refusal.reason)}${way}\n`;
}
