import type { Problem } from '../../../src/wire/api.ts';

/** An answer of the hub that is no success, as its problem document says; `code` is stable. */
export class HubProblem extends Error {
  readonly code: string;
  readonly status: number;

  constructor(problem: Pick<Problem, 'code' | 'status' | 'detail'>) {
    super(problem.detail);
    this.name = 'HubProblem';
    this.code = problem.code;
    this.status = problem.status;
  }
}

/** What to tell people of anything that was thrown. */
export function wordsOf(error: unknown): string {
  if (error instanceof HubProblem) return error.message;
  if (error instanceof DOMException && error.name === 'AbortError') return 'the request was given up';
  if (error instanceof TypeError) return 'the hub cannot be reached: check the connection, then try again';
  return error instanceof Error ? error.message : 'something failed that nobody foresaw';
}
