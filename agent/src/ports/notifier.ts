import type { Notice } from '../domain/notify/notice.ts';

/** What is sent at once to one recipient: one notice, or several that were collected. */
export interface Parcel {
  /** An address, a pipeline's note, or empty where the channel itself is the recipient. */
  readonly target: string;
  readonly notices: readonly Notice[];
  /** Origin of links for people, without a trailing slash. */
  readonly base: string;
}

/** Where messages go. */
export interface Channel {
  readonly name: string;
  /** Sends once, bounded in time. Rejects with {@link NotSent}. */
  send(parcel: Parcel): Promise<void>;
  close(): Promise<void>;
}

/** A message did not arrive, as far as anybody can tell. Its text is for the operator: no secret, no address of a web hook. */
export class NotSent extends Error {
  /** False: another try would end the same. */
  readonly again: boolean;
  /** When the receiver wants to be asked again; null where it did not say. */
  readonly afterMs: number | null;
  constructor(message: string, { again, afterMs = null }: { again: boolean; afterMs?: number | null }) {
    super(message);
    this.name = 'NotSent';
    this.again = again;
    this.afterMs = afterMs;
  }
}
