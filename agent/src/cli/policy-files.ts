import { ConfigError } from '../config/problems.ts';
import { ERRORS, HoldpointError } from '../domain/errors.ts';
import type { PolicyPath } from '../domain/policy-explain.ts';
import type { Principals } from '../domain/principal.ts';
import type { PolicyParts, ReadPolicy } from './parts.ts';
import { type FileIo, FileProblem, readOrProblem } from './payload-files.ts';

/** The name that people are looked for under, beside a policy. */
export const PRINCIPALS_FILE = 'principals.yaml';

/** A path beside another file. */
export function beside(file: string, name: string): string {
  if (name.startsWith('/')) return name;
  const folder = file.includes('/') ? file.slice(0, file.lastIndexOf('/') + 1) : '';
  return `${folder}${name}`;
}

/** Text of a file. Throws a FileProblem that says why not. */
export async function textOf(io: FileIo, file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readOrProblem(io, file));
  } catch (error) {
    if (error instanceof TypeError) throw new FileProblem('bad_input', `${file}: is no UTF-8 text`);
    throw error;
  }
}

/** A policy with where everything stands. */
export async function readPolicyAt(io: FileIo, parts: PolicyParts, file: string): Promise<ReadPolicy> {
  return parts.readPolicyFile(await textOf(io, file), file);
}

/** People of a file that was named, or of principals.yaml beside the policy; null where there is none. */
export async function principalsFor(
  io: FileIo,
  parts: PolicyParts,
  policy: string,
  named: string | undefined,
): Promise<Principals | null> {
  const file = named ?? beside(policy, PRINCIPALS_FILE);
  let text: string;
  try {
    text = await textOf(io, file);
  } catch (error) {
    if (named === undefined && error instanceof FileProblem) return null;
    throw error;
  }
  return parts.readPrincipals(text, file);
}

/** A path as people write it: `configurations[1].match.jobs`. */
export function pathText(path: PolicyPath): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

/** What is wrong with a file that could not be read, a line each; anything else is thrown on. */
export function problemsOf(error: unknown): readonly string[] {
  if (error instanceof FileProblem) return [error.message];
  if (error instanceof ConfigError)
    return error.problems.map(({ where, path, message }) => `${where}: ${path}: ${message}`);
  if (error instanceof HoldpointError && ERRORS[error.code].exit === 2) return error.message.split('\n');
  throw error;
}
