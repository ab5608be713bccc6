import Docker from 'dockerode';
import { ExecutorFailure } from '../failure.ts';

/** A client of the engine at a unix socket; opens nothing yet. */
export function engineAt(socketPath: string): Docker {
  return new Docker({ socketPath });
}

const statusOf = (error: unknown): number | null => {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : null;
};

/** True for what the engine answers about something that is not there. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** True where the engine has done already what it was asked, or is about to. */
export function isUnderWay(error: unknown): boolean {
  return statusOf(error) === 304 || statusOf(error) === 409;
}

/** What the engine or the way to it said, in one line of printable text. */
export function engineWords(error: unknown): string {
  if (error instanceof ExecutorFailure) return error.message;
  const { code, json, reason, message } = error as {
    code?: string;
    json?: { message?: unknown };
    reason?: string;
    message?: string;
  };
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return 'the container engine does not answer at docker.socket; start it, or name its socket';
  if (code === 'EACCES') return 'the user of the runner may not use the container engine; see docker.socket';
  const said = typeof json?.message === 'string' ? json.message : (reason ?? message ?? String(error));
  return `the container engine says: ${said
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 500)}`;
}

/** Does it, and takes "not there" for done. */
export async function unlessMissing(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!isMissing(error) && !isUnderWay(error)) throw error;
  }
}
