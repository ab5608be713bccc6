import type { HoldView, Problem } from '../../../../src/wire/api.ts';
import { stateWords } from '../../ui/chip.tsx';

/** What became of one Hold that a list of decisions named, as the hub answers it. */
export interface AnsweredItem {
  readonly hold: number;
  readonly after: HoldView | null;
  readonly waits: string | null;
  readonly problem: Problem | null;
}

/** The same for people: the vote was taken and the job goes on, or waits for others, or the vote was not taken. */
export interface Became {
  readonly kind: 'goes' | 'waits' | 'ended' | 'refused';
  readonly words: string;
}

/** What became of one of them. */
export function becameOf({ after, waits, problem }: AnsweredItem): Became {
  if (problem !== null) return { kind: 'refused', words: problem.detail };
  switch (after?.state) {
    case 'pending':
      return { kind: 'goes', words: 'approved; its runner gets it when it asks next' };
    case 'running':
    case 'success':
      return { kind: 'goes', words: `approved; it is “${stateWords(after.state)}” already` };
    case 'waiting_for_approval':
      return { kind: 'waits', words: waits ?? 'it waits for others' };
    case undefined:
      return { kind: 'refused', words: 'the hub did not say what became of it' };
    default:
      return { kind: 'ended', words: after?.reason ?? `it is “${stateWords(after?.state ?? 'ended')}”` };
  }
}

const jobs = (count: number): string => `${count} ${count === 1 ? 'job' : 'jobs'}`;
const verb = (count: number, one: string, many: string): string => `${jobs(count)} ${count === 1 ? one : many}`;

/** All of it in a sentence: how many go on, how many wait for others, how many votes were not taken. */
export function becameInWords(became: readonly Became[]): string {
  const count = (kind: Became['kind']): number => became.filter((one) => one.kind === kind).length;
  const parts = [
    [count('goes'), 'goes on', 'go on'],
    [count('ended'), 'is ended', 'are ended'],
    [count('waits'), 'still waits for others', 'still wait for others'],
  ] as const;
  const said = parts.flatMap(([many, one, more]) => (many === 0 ? [] : [verb(many, one, more)]));
  const refused = count('refused');
  const not = refused === 0 ? [] : [`${refused} of your votes ${refused === 1 ? 'was' : 'were'} not taken`];
  return `${[...said, ...not].join(', ')}.`;
}
