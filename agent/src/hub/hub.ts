import type { Policy } from '../domain/policy.ts';
import type { Clock } from '../ports/clock.ts';
import type { Directory } from '../ports/directory.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

export interface HubOptions {
  readonly store: Store;
  readonly directory: Directory;
  /** Asked at every decision, so that a changed policy holds at once. */
  readonly policy: () => Policy;
  /** 32 bytes; given to agents that have proved who they are. */
  readonly variableKey: Uint8Array;
  /** Origin in links for people; default: `http://` and where it listens. */
  readonly externalUrl?: string;
  /** Agents that may connect: name and raw Ed25519 public key of 32 bytes. */
  readonly agents: readonly { readonly name: string; readonly publicKey: Uint8Array }[];
  readonly clock: Clock;
  readonly log: Log;
  /** Version of the program, for the API document. */
  readonly version: string;
  /** How often agents are pinged; default 15,000. Two misses close the link. */
  readonly heartbeatMs?: number;
}

export interface Hub {
  /** Port 0 takes a free one. */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
  close(): Promise<void>;
  /** Text of the one-time bootstrap token, once: null when asked again or when the store has a token already. */
  bootstrapToken(): Promise<string | null>;
}

/** The hub: HTTP API, viewers' events and the agents' link over one listening port. */
export function createHub(_options: HubOptions): Hub {
  throw new Error('being written');
}
