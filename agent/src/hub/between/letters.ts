import { randomBytes } from 'node:crypto';
import type { Verify } from '../../domain/audit-head.ts';
import { pae, type Signer } from '../../domain/dsse.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Hints } from '../../ports/hints.ts';
import type { Log } from '../../ports/log.ts';
import { betweenBytes, LETTER_PAYLOAD, type Letter, type LetterBody, readLetter } from '../../wire/between.ts';

/** A letter that is older, by the two hubs' clocks, was kept by somebody and is said once more (T29). */
const MAX_AGE_MS = 2 * 60_000;
const SIGNATURE_BYTES = 64;
/** Hubs that were heard of; each that starts is another. */
const MAX_HUBS = 1_000;

/** What letters are written with. */
export interface LettersOptions {
  readonly hints: Pick<Hints, 'send' | 'receive'>;
  /** The key that all hubs of a store have. */
  readonly signer: Signer;
  readonly verify: Verify;
  readonly clock: Clock;
  readonly log: Log;
  take(from: string, body: LetterBody): void;
}
/** Letters to all other hubs of the store. */
export interface Letters {
  /** What this hub is called among them; another with each start. */
  readonly self: string;
  post(body: LetterBody): void;
}

/** Signs what goes out, and takes in what another hub with the same key has signed, in its order, once (T27, T29). */
export function createLetters({ hints, signer, verify, clock, log, take }: LettersOptions): Letters {
  const self = randomBytes(12).toString('base64url');
  const heard = new Map<string, number>();
  const complained = new Set<string>();
  let number = 0;

  const complain = (what: string, fields: Record<string, unknown>, words: string): void => {
    if (complained.has(what)) return;
    complained.add(what);
    log.warn(fields, words);
  };
  function takeIn(bytes: Uint8Array): void {
    const [signature, text] = [bytes.subarray(0, SIGNATURE_BYTES), bytes.subarray(SIGNATURE_BYTES)];
    if (text.length === 0 || !verify(signer.publicKey, pae(LETTER_PAYLOAD, text), signature)) {
      const words = 'somebody writes to the hubs on this store without their key: do all hubs have the same hub.key?';
      complain('signature', {}, words);
      return;
    }
    const letter = readLetter(text);
    if (letter === null || letter.from === self) return;
    const offMs = letter.at - clock.now();
    if (Math.abs(offMs) > MAX_AGE_MS) {
      const words = 'another hub on this store has another time, and is not listened to: set the clocks of both';
      complain(`clock ${letter.from}`, { offMs }, words);
      return;
    }
    if (letter.number <= (heard.get(letter.from) ?? 0)) return;
    const [oldest] = heard.size >= MAX_HUBS ? heard.keys() : [];
    if (oldest !== undefined) heard.delete(oldest);
    heard.delete(letter.from);
    heard.set(letter.from, letter.number);
    take(letter.from, letter.body);
  }
  hints.receive(takeIn);
  return {
    self,
    post(body) {
      const text = betweenBytes({ from: self, at: clock.now(), number: ++number, body } as Letter);
      hints.send(Buffer.concat([signer.sign(pae(LETTER_PAYLOAD, text)), text]));
    },
  };
}
