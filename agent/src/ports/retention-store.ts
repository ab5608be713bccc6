import type { Cutoffs, EndedClass, Removal } from '../domain/retention.ts';

/** Part of a walk through the store: what of it may go, and where to go on; null at the end. */
export interface RetentionStep<Id> {
  readonly next: Id | null;
  readonly found: readonly Id[];
}

/** What may go, and what is gone. */
export interface RetentionReads {
  /** Rows of this class whose time was over. */
  countEnded(of: EndedClass, cut: Cutoffs): Promise<number>;
  /** Of the next Holds above `after`, those whose facts may go, and those whose agents' reports may. */
  spentHolds(
    after: number,
    cut: Cutoffs,
  ): Promise<{ readonly next: number | null; readonly facts: readonly number[]; readonly reports: readonly number[] }>;
  /** Of the next configurations above this digest, those whose text may go. */
  spentConfigurations(after: string, cut: Cutoffs): Promise<RetentionStep<string>>;
  /** When and why the text of this Configuration was removed; null for one that is there, or never was. */
  configurationRemoved(digest: string): Promise<Removal | null>;
  /** The same for the facts of a Hold. */
  factsRemoved(hold: number): Promise<Removal | null>;
}

/** Removing it. Each looks again at what it is given: what came back into use meanwhile stays. */
export interface RetentionWrites {
  /** Removes at most `limit` rows of this class; answers how many. */
  dropEnded(of: EndedClass, cut: Cutoffs, limit: number): Promise<number>;
  /** Forgets what agents reported of these Holds; answers how many rows. */
  dropReports(holds: readonly number[], cut: Cutoffs): Promise<number>;
  /** Removes facts; answers of which of these Holds. */
  removeFacts(holds: readonly number[], cut: Cutoffs, removal: Removal): Promise<readonly number[]>;
  /** Removes texts of configurations; answers which. The digest stays, and all that names it. */
  removeConfigurations(digests: readonly string[], cut: Cutoffs, removal: Removal): Promise<readonly string[]>;
}
