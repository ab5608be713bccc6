/** Parameters as GitLab's API reads them: words become numbers and booleans, unknown ones are ignored, `''` is absent. */
import { z } from 'zod';

const MISSING = 'is missing';
const INVALID = 'is invalid';
/** GitLab's words for a value that is not one of a closed list. */
const NOT_ONE_OF = 'does not have a valid value';
/** Longer texts are no names and no comments. */
const MAX_TEXT_CHARS = 4_000;
/** Larger numbers are no ids. */
const MAX_INTEGER = 2 ** 31 - 1;

const said = (issue: { readonly input?: unknown }): string =>
  issue.input === undefined || issue.input === null ? MISSING : INVALID;
const absent = (value: unknown): unknown => (value === '' || value === null ? undefined : value);

/** A text; a number or boolean is taken as its text. */
export const text = z.preprocess(
  (value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : (value ?? undefined)),
  z.string({ error: said }).max(MAX_TEXT_CHARS, INVALID),
);
/** One of these words. */
export const word = <T extends string>(words: readonly [T, ...T[]]) =>
  z.preprocess(absent, z.enum(words, { error: (issue) => (issue.input === undefined ? MISSING : NOT_ONE_OF) }));
/** A whole number, also as its digits. */
export const integer = z.preprocess(
  (value) => (typeof value === 'string' && /^\s*-?\d{1,15}\s*$/.test(value) ? Number(value) : absent(value)),
  z.int({ error: said }).min(-MAX_INTEGER, INVALID).max(MAX_INTEGER, INVALID),
);
/** One of these whole numbers. */
export const number = (allowed: readonly number[]) =>
  integer.refine((value) => allowed.includes(value), { message: NOT_ONE_OF });
/** A boolean, also in GitLab's other words for one. */
export const flag = z.preprocess(
  (value) => {
    if (value === 1 || (typeof value === 'string' && /^(true|t|1|yes|y|on)$/i.test(value))) return true;
    if (value === 0 || (typeof value === 'string' && /^(false|f|0|no|n|off)$/i.test(value))) return false;
    return absent(value);
  },
  z.boolean({ error: said }),
);
/** A moment in ISO 8601, as epoch ms; without a zone it is UTC. */
export const moment = z.preprocess(
  absent,
  z.string({ error: said }).transform((value, context) => {
    const match = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?$/i.exec(value);
    const zoned =
      match !== null && match[4] === undefined ? `${value}${match[1] === undefined ? 'T00:00:00' : ''}Z` : value;
    const ms = match === null ? Number.NaN : Date.parse(zoned);
    if (!Number.isNaN(ms)) return ms;
    context.addIssue(INVALID);
    return z.NEVER;
  }),
);
/** The same, or absent: `''` and `null` are absent too. */
export const optional = <T extends z.ZodType>(inner: T) => z.preprocess(absent, inner.optional());
/** A list of objects. */
export const list = <T extends z.ZodType>(element: T, max: number) =>
  z.preprocess((value) => value ?? undefined, z.array(element, { error: said }).max(max, INVALID));
/** An object; members that nobody knows are dropped. */
export const object = <T extends z.ZodRawShape>(shape: T) => z.object(shape, { error: said });

/** `approval_rules[0][group_id]`, as GitLab names what is wrong. */
function nameOf(path: readonly PropertyKey[]): string {
  // An element that is no object at all is a fault of the list.
  const named = typeof path.at(-1) === 'number' ? path.slice(0, -1) : path;
  const [first = '', ...rest] = named.map(String);
  return `${first}${rest.map((part) => `[${part}]`).join('')}`;
}

/** All that is wrong, in GitLab's words: `name is missing, deploy_access_levels is invalid`. */
export function problemsOf(error: z.ZodError): string {
  const problems = error.issues.map((issue) => {
    const nobody = issue.code === 'custom' ? (issue.params?.nobody as readonly string[] | undefined) : undefined;
    if (nobody === undefined) return `${nameOf(issue.path)} ${issue.message}`;
    const names = nobody.map((member) => nameOf([...issue.path, member])).join(', ');
    return `${names} are missing, at least one parameter must be provided`;
  });
  return [...new Set(problems)].join(', ');
}
