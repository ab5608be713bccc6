import { HoldpointError } from '../domain/errors.ts';
import type { StoreReader } from '../ports/store.ts';

/** What a database said of what it refused. */
export type Refusal = 'taken' | 'constraint' | 'other';

/** A store's way to put its database's errors into ours: `of` finds its code in an error, null where it is not the database's. */
export interface Faults {
  /** As people know the store: its path, or its address without password. */
  readonly name: string;
  readonly codeOf: (cause: unknown) => string | null;
  readonly refusal: (code: string) => Refusal;
  /** What to look at when it cannot be used at all, by the code. */
  readonly lookAt: (code: string) => string;
}

/** Our own errors as they are; a lost race as `hold_conflict`; what the database or the disk refuses as `store_unavailable`. */
export function translated(faults: Faults, cause: unknown): unknown {
  const code = faults.codeOf(cause);
  if (cause instanceof HoldpointError || code === null) return cause;
  switch (faults.refusal(code)) {
    case 'taken':
      return new HoldpointError(
        'hold_conflict',
        'somebody else changed the same thing in the meantime: look at it and try again',
        { cause },
      );
    case 'constraint':
      return new HoldpointError('internal', `store ${faults.name} refused a write that must never be tried (${code})`, {
        cause,
      });
    case 'other':
      return new HoldpointError(
        'store_unavailable',
        `store ${faults.name} cannot be used (${code}): ${faults.lookAt(code)}`,
        { cause },
      );
  }
}

/** The same reads, their database errors in words. */
export function translating(faults: Faults, reads: StoreReader): StoreReader {
  const out: Record<string, unknown> = {};
  for (const [name, read] of Object.entries(reads) as [string, (...args: unknown[]) => Promise<unknown>][]) {
    out[name] = async (...args: unknown[]) => {
      try {
        return await read(...args);
      } catch (cause) {
        throw translated(faults, cause);
      }
    };
  }
  return out as unknown as StoreReader;
}
