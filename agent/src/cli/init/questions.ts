import { readKind } from '../../config/kinds.ts';
import { OPTIONS } from '../../config/options.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import type { Io } from '../io.ts';
import type { FoundFile } from './plan.ts';
import type { FirstPeople } from './texts.ts';

/** What an answer stands for, or what was wanted. */
export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

const good = <T>(value: T): Reading<T> => ({ ok: true, value });
const bad = (message: string): Reading<never> => ({ ok: false, message });

/** How often somebody may give an answer that is none. */
const TRIES = 5;

/** One thing that has to be known: given by a flag, answered by a person, or its default where nobody is asked. */
export interface Question<T> {
  readonly flag: string;
  readonly given: string | undefined;
  readonly text: string;
  readonly fallback: string | null;
  read(answer: string): Reading<T>;
}

/** The answer to a question. Throws `bad_usage` for a flag that is not understood, and where nobody can be asked. */
export async function answerTo<T>(io: Pick<Io, 'ask' | 'out'>, isAsked: boolean, question: Question<T>): Promise<T> {
  const { flag, given, text, fallback } = question;
  const wrong = (message: string) => new HoldpointError('bad_usage', `${flag}: ${message}`);
  if (given !== undefined) {
    const reading = question.read(given);
    if (reading.ok) return reading.value;
    throw wrong(reading.message);
  }
  if (!isAsked || io.ask === null) {
    if (fallback === null) throw wrong(`missing: ${text}`);
    const reading = question.read(fallback);
    if (reading.ok) return reading.value;
    throw wrong(reading.message);
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const typed = (await io.ask(`${text}${fallback === null ? '' : ` [${fallback}]`}: `)).trim();
    const reading = question.read(typed === '' && fallback !== null ? fallback : typed);
    if (reading.ok) return reading.value;
    await io.out(`  ${reading.message}\n`);
  }
  throw wrong('no answer that is understood; give it as a flag');
}

/** Text of an option of agent.yml, checked as the loader checks it. */
export function readOption(key: string, text: string): Reading<string> {
  const option = OPTIONS.find((each) => each.key === key)!;
  const reading = readKind(option, text, false);
  if (!reading.ok) return bad(reading.message);
  return good(typeof reading.value === 'string' ? reading.value : text);
}

const ID = /^[1-9]\d{0,14}$/;

/** `maria:21 jonas:22`: names and GitLab's numeric ids. */
export function readApprovers(text: string): Reading<FirstPeople['approvers']> {
  const found: { username: string; id: number }[] = [];
  for (const word of text.split(/[\s,]+/).filter((each) => each !== '')) {
    const [username = '', id = '', ...more] = word.split(':');
    if (more.length > 0 || !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/.test(username) || !ID.test(id))
      return bad(`"${printable(word)}" is not USERNAME:ID; the id stands on the person's page in GitLab`);
    if (found.some((one) => one.id === Number(id) || one.username === username)) return bad(`${username} stands twice`);
    found.push({ username, id: Number(id) });
  }
  return found.length === 0 ? bad('wanted USERNAME:ID, as maria:21') : good(found);
}

/** `acme/payments/api:4242`: path and GitLab's numeric id. */
export function readProject(text: string): Reading<FirstPeople['project']> {
  const match = /^([A-Za-z0-9_.][A-Za-z0-9_./-]{0,500}):(\d+)$/.exec(text.trim());
  if (match === null || !ID.test(match[2]!) || !match[1]!.includes('/'))
    return bad("wanted GROUP/PROJECT:ID, as acme/payments/api:4242; the id stands on the project's page in GitLab");
  return good({ path: match[1]!, id: Number(match[2]) });
}

/** Numbers (from 1), names or `all` of the runners of a file. */
export function readChosen(text: string, file: FoundFile): Reading<readonly number[]> {
  const { runners } = file;
  if (text.trim() === 'all') return good(runners.map(({ index }) => index));
  const found = new Set<number>();
  for (const word of text.split(',').map((each) => each.trim())) {
    const byNumber = /^\d+$/.test(word) ? runners[Number(word) - 1] : undefined;
    const byName = runners.filter(({ name }) => name === word);
    if (byName.length > 1) return bad(`two runners are called "${printable(word)}": choose by number`);
    const one = byName[0] ?? byNumber;
    if (one === undefined)
      return bad(
        `"${printable(word)}" is no runner of ${file.path}; wanted of ${runners.map(({ name }) => printable(name)).join(', ')}, or all`,
      );
    found.add(one.index);
  }
  return good([...found]);
}

/** True for yes, false for no. */
export function readYes(text: string): Reading<boolean> {
  if (/^y(es)?$/i.test(text)) return good(true);
  return /^n(o)?$/i.test(text) ? good(false) : bad('yes or no?');
}
