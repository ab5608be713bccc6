import { ConfigError, problemLine } from '../config/problems.ts';
import { ERRORS, HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { redactTokens } from '../domain/redact.ts';

/** What is written on standard error, and the exit code. */
export interface Failure {
  readonly text: string;
  readonly exit: number;
}

const safe = (text: string): string => redactTokens(printable(text));

/**
 * An error as people and programs are told of it: one line (of a configuration one per problem), never a stack.
 * Texts can come from a hub or a file of somebody else: they are made printable, and what looks like a token is taken out.
 */
export function failureOf(error: unknown, json: boolean): Failure {
  const known = error instanceof HoldpointError;
  const code = known ? error.code : 'internal';
  const words = error instanceof Error ? error.message : String(error);
  const message = known
    ? error.message
    : `unexpected error: ${words.split('\n')[0]}; please report it with what you did`;
  const problems = error instanceof ConfigError ? error.problems : [];
  const exit = ERRORS[code].exit;
  if (json) {
    const body = {
      code,
      message: problems.length > 0 ? `${problems.length} problems in the configuration` : safe(message),
      ...(problems.length > 0 && {
        problems: problems.map(({ where, path, message: why }) => ({
          where: safe(where),
          path: safe(path),
          message: safe(why),
        })),
      }),
    };
    return { text: `${JSON.stringify({ error: body })}\n`, exit };
  }
  const lines = problems.length > 0 ? problems.map(problemLine) : [message];
  return { text: lines.map((line) => `holdpoint: ${safe(line)}\n`).join(''), exit };
}
