import type { Clock } from '../ports/clock.ts';
import type { Gatekeeper } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';

export interface LinkClientOptions {
  /** `ws://…/api/v1/link` or `wss://…`; `http(s)://` of the hub is understood too. */
  readonly url: string;
  /** The agent's name, as the hub knows its key. */
  readonly agent: string;
  readonly version: string;
  readonly runners: readonly { readonly name: string; readonly protected: boolean }[];
  /** Ed25519 over the bytes, with the agent's key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** Where the number of the last push that was acted upon is kept; 0 at first. */
  readonly cursor: { load(): Promise<number>; save(seq: number): Promise<void> };
  readonly clock: Clock;
  readonly log: Log;
  /** PEM of the authority of the hub's certificate, where the system does not know it. */
  readonly ca?: string;
  /** How long an answer may take before the call rejects; default 10,000. */
  readonly answerMs?: number;
}

/** The agent's end of the link: connects, stays connected, and is the Gatekeeper of the agent. */
export function createLinkClient(_options: LinkClientOptions): Gatekeeper {
  throw new Error('being written');
}
