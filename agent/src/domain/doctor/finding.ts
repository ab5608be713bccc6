/** What comes of a check: nothing to do, to be looked at, to be mended, or not seen (and why). */
export const FINDING_STATUSES = ['ok', 'warn', 'fail', 'skipped'] as const;
export type FindingStatus = (typeof FINDING_STATUSES)[number];

/** One thing that a check has to say. No secret, and nothing that was read from a job. */
export interface Finding {
  /** Id of the check. */
  readonly check: string;
  readonly status: FindingStatus;
  /** What was found; of `skipped`: why it was not looked at. */
  readonly message: string;
  /** What to do; of `skipped`: how to let it be seen. Null where there is nothing to do. */
  readonly mend: string | null;
}

/** What a check answers: at least one thing, so that no check is ever silent. */
export type Said = Omit<Finding, 'check'>;
export type Answer = readonly [Said, ...Said[]];

export const ok = (message: string): Said => ({ status: 'ok', message, mend: null });
export const warn = (message: string, mend: string): Said => ({ status: 'warn', message, mend });
export const fail = (message: string, mend: string): Said => ({ status: 'fail', message, mend });
export const skipped = (message: string, mend: string | null = null): Said => ({ status: 'skipped', message, mend });

/** The answer of a list that may be empty, then `otherwise`. */
export function answer(found: readonly Said[], otherwise: () => Said): Answer {
  const [first, ...rest] = found;
  return first === undefined ? [otherwise()] : [first, ...rest];
}

/** How many of each status. */
export function tallyOf(findings: readonly Pick<Finding, 'status'>[]): Readonly<Record<FindingStatus, number>> {
  const tally = { ok: 0, warn: 0, fail: 0, skipped: 0 };
  for (const { status } of findings) tally[status] += 1;
  return tally;
}
