import { randomBytes } from 'node:crypto';
import { HoldpointError } from '../../domain/errors.ts';
import type { RevealedValue, RevealQuestion } from '../../ports/agents.ts';
import type { Clock } from '../../ports/clock.ts';
import { betweenBytes, type LetterBody, readFarAnswer } from '../../wire/between.ts';
import type { Letters } from './letters.ts';
import { type SealingKey, sealingKey, sealTo } from './sealed.ts';

/** The other hub gives its agent 15 seconds, and has a word of its own when they are over. */
const ANSWER_MS = 17_000;
/** People who wait at once at this hub. */
const MAX_WAITING = 64;

/** Hidden values of jobs whose agent is linked to another hub. */
export interface FarReveals {
  /** Asks that hub. Rejects with `cannot_reveal`. */
  ask(hub: string, agent: string, question: RevealQuestion): Promise<readonly RevealedValue[]>;
  /** Another hub asks for values of an agent that is linked here. */
  asked(from: string, ask: Extract<LetterBody, { type: 'ask' }>): Promise<void>;
  answered(answer: Extract<LetterBody, { type: 'answer' }>): void;
  /** Nobody is answered any more. */
  close(): void;
}

const purposeOf = (request: string): string => `reveal ${request}`;

/** Values cross the database sealed to a key that is made for this one answer, and thrown away with it (T32, T57). */
export function farReveals(
  clock: Clock,
  post: Letters['post'],
  ownReveal: (agent: string, question: RevealQuestion) => Promise<readonly RevealedValue[]>,
): FarReveals {
  const waiting = new Map<
    string,
    { readonly key: SealingKey; settle(answer: ReturnType<typeof readFarAnswer>, why: string): void }
  >();
  const answering = new Set<string>();
  return {
    ask(to, agent, question) {
      const refuse = (why: string): HoldpointError =>
        new HoldpointError('cannot_reveal', `hold ${question.hold}: ${why}`);
      if (waiting.size >= MAX_WAITING)
        return Promise.reject(refuse('too many such questions wait at this hub: try again in a minute'));
      const request = randomBytes(18).toString('base64url');
      const key = sealingKey();
      return new Promise((resolve, reject) => {
        const settle = (answer: ReturnType<typeof readFarAnswer>, why: string): void => {
          cancel();
          waiting.delete(request);
          if (answer?.values) resolve(answer.values);
          // The other hub's words begin with the hold already.
          else if (answer?.reason) reject(new HoldpointError('cannot_reveal', answer.reason));
          else reject(refuse(why));
        };
        const cancel = clock.after(ANSWER_MS, () =>
          settle(null, 'the hub that its agent is connected to did not answer in time: try again'),
        );
        waiting.set(request, { key, settle });
        post({ type: 'ask', to, request, agent, ...question, key: key.publicKey });
      });
    },
    async asked(from, { request, agent, hold, jobId, digest, names, key }) {
      if (answering.has(request)) return;
      answering.add(request);
      const told = await ownReveal(agent, { hold, jobId, digest, names }).then(
        (values) => ({ values, reason: null }),
        (error: unknown) => ({
          values: null,
          reason:
            error instanceof HoldpointError ? error.message : 'the hub of its agent failed at it: its log says more',
        }),
      );
      answering.delete(request);
      post({ type: 'answer', to: from, request, sealed: sealTo(key, betweenBytes(told), purposeOf(request)) });
    },
    answered({ request, sealed }) {
      const each = waiting.get(request);
      const plain = each?.key.open(sealed, purposeOf(request)) ?? null;
      const answer = plain === null ? null : readFarAnswer(plain);
      // What cannot be opened is no answer: the right one may still come.
      if (answer !== null) each?.settle(answer, 'its agent gave no reason');
    },
    close() {
      for (const { settle } of [...waiting.values()]) settle(null, 'the hub stops: try again');
    },
  };
}
