import type { ChangedEvent } from './push.ts';

/** What one hub tells the others on its store. It says nothing that is not in the store. */
export type Hint = { readonly wake: string } | { readonly changed: ChangedEvent };

/**
 * The way between hubs that share a store. A hint may be lost or come twice, and never is a fact: whoever hears one reads the store,
 * and reads it now and then without one. Nothing of it ever fails for its caller.
 */
export interface Hints {
  publish(hint: Hint): void;
  /** Takes what other hubs publish; `missed` whenever some may have been lost on the way. */
  listen(take: (hint: Hint | 'missed') => void): void;
  /** Sends bytes to all other hubs, whole or not at all; too many at once are lost. */
  send(bytes: Uint8Array): void;
  /** Takes what is sent. Whoever may connect to the database may send: what it is worth is for the taker to find out. */
  receive(take: (bytes: Uint8Array) => void): void;
  close(): Promise<void>;
}
