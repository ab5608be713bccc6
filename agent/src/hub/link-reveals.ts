import { HoldpointError } from '../domain/errors.ts';
import type { RevealedValue, RevealQuestion } from '../ports/agents.ts';
import type { Clock } from '../ports/clock.ts';
import type { AgentFrame, HubFrame } from '../wire/link.ts';

/** A person waits for the answer; an agent reads one payload for it. */
const REVEAL_MS = 15_000;
/** Questions for hidden values that wait at once on one agent; each is a person who looks. */
const MAX_REVEALS = 32;

/** What an agent answers to `reveal`. */
export type RevealAnswer = Extract<AgentFrame, { type: 'revealed' }>;

/** Questions for hidden values on one link. */
export interface LinkReveals {
  /** Rejects with `cannot_reveal`. */
  ask(question: RevealQuestion): Promise<readonly RevealedValue[]>;
  /** An answer that nobody waits for (any more) is dropped unread. */
  answered(answer: RevealAnswer): void;
  /** The link is over, and nothing is asked on it any more. */
  end(): void;
}

/** None yet; each has a number of its own, and is answered once or not at all. */
export function linkReveals(clock: Clock, send: (frame: HubFrame) => void): LinkReveals {
  const waiting = new Map<string, (answer: RevealAnswer | null) => void>();
  let requests = 0;
  let isOver = false;
  return {
    ask(question) {
      const refuse = (why: string): HoldpointError =>
        new HoldpointError('cannot_reveal', `hold ${question.hold}: ${why}`);
      if (isOver || waiting.size >= MAX_REVEALS) {
        return Promise.reject(refuse('its agent has too many such questions at once: try again in a minute'));
      }
      const request = `${++requests}`;
      return new Promise((resolve, reject) => {
        const settle = (answer: RevealAnswer | null, why: string): void => {
          cancel();
          waiting.delete(request);
          if (answer?.values) resolve(answer.values);
          else reject(refuse(answer?.reason ?? why));
        };
        const cancel = clock.after(REVEAL_MS, () => settle(null, 'its agent did not answer in time: try again'));
        waiting.set(request, (answer) => settle(answer, 'its agent went away: try again when it is back'));
        send({ type: 'reveal', request, ...question, names: [...question.names] });
      });
    },
    answered(answer) {
      waiting.get(answer.request)?.(answer);
    },
    end() {
      isOver = true;
      for (const settle of [...waiting.values()]) settle(null);
    },
  };
}
