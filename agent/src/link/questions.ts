import { HoldpointError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { HubFrame } from '../wire/link.ts';

/**
 * Asked and not answered yet. The hub answers an agent's questions one after the other: ten thousand at once would all run
 * into one time-out, be asked again, and never be answered (T30).
 */
const MAX_ASKED = 64;

/** The questions of one connection, each answered by its `ref`. */
export interface Questions {
  /** Asks when it is this question's turn; `text` may throw then. Rejects with `hub_unreachable` without an answer. */
  ask(question: { readonly ref: string; readonly type: string }, text: () => string): Promise<HubFrame>;
  answered(ref: string, frame: HubFrame): void;
  refused(ref: string, error: HoldpointError): void;
  /** The connection is over: nothing is answered any more. */
  end(why: string): void;
}

interface Question {
  readonly ref: string;
  readonly type: string;
  readonly text: () => string;
  readonly resolve: (frame: HubFrame) => void;
  readonly reject: (error: unknown) => void;
}

/** What an agent that is told nothing by its hub says of it. */
export const unreachable = (why: string): HoldpointError =>
  new HoldpointError('hub_unreachable', `the hub did not answer: ${why}`);

/** Asks over `send`, in order, so many at a time; each has `answerMs` from the moment at which it is asked. */
export function openQuestions(options: {
  readonly clock: Clock;
  readonly answerMs: number;
  readonly send: (text: string) => void;
}): Questions {
  const { clock, answerMs, send } = options;
  const asked = new Map<string, Question & { readonly cancel: () => void }>();
  let waiting: Question[] = [];
  let answers = 0;

  function take(ref: string): Question | undefined {
    const question = asked.get(ref);
    question?.cancel();
    asked.delete(ref);
    return question;
  }

  function put(question: Question): void {
    const before = answers;
    const cancel = clock.after(answerMs, () => {
      take(question.ref);
      const error = unreachable(`no answer to ${question.type} within ${answerMs} ms`);
      question.reject(error);
      // A hub that has answered nothing in all that time will not answer those that wait for their turn either.
      if (answers === before) rejectWaiting(error);
      else next();
    });
    try {
      send(question.text());
      asked.set(question.ref, { ...question, cancel });
    } catch (error) {
      cancel();
      question.reject(error);
    }
  }
  function next(): void {
    while (asked.size < MAX_ASKED && waiting.length > 0) put(waiting.shift()!);
  }
  function rejectWaiting(error: HoldpointError): void {
    const turned = waiting;
    waiting = [];
    for (const { reject } of turned) reject(error);
  }
  function settle(ref: string, how: (question: Question) => void): void {
    const question = take(ref);
    if (question === undefined) return;
    answers += 1;
    how(question);
    next();
  }

  return {
    ask: ({ ref, type }, text) =>
      new Promise((resolve, reject) => {
        waiting.push({ ref, type, text, resolve, reject });
        next();
      }),
    answered: (ref, frame) => settle(ref, ({ resolve }) => resolve(frame)),
    refused: (ref, error) => settle(ref, ({ reject }) => reject(error)),
    end(why) {
      const error = unreachable(why);
      rejectWaiting(error);
      for (const ref of [...asked.keys()]) take(ref)?.reject(error);
    },
  };
}
