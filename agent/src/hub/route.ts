/** What a route is made of: data that the server and the API document are both built from. */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../app/hub-context.ts';
import type { TokenScope } from '../domain/token.ts';
import type { Demand, Identity } from './auth.ts';

/** One request, checked against its schemas. */
export interface Input<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly identity: Identity;
  /** The person; present wherever the bootstrap token is not let in. */
  readonly caller: Caller;
  readonly address: string;
  readonly headers: IncomingHttpHeaders;
  /** Path and query as they were sent. */
  readonly url: string;
}
/** An answer that is more than its body: cookies, a redirect, another status. */
export class Answer {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly status: number | null;
  constructor(
    body: unknown,
    headers: Readonly<Record<string, string | readonly string[]>>,
    status: number | null = null,
  ) {
    this.body = body;
    this.headers = headers;
    this.status = status;
  }
}
/** One route as data; the API document and the server are made of it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly summary: string;
  /** Null: anybody may ask. */
  readonly demand: Demand | null;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  /** Null for a route without a body. */
  readonly body: z.ZodType | null;
  /** Null for an answer that is no JSON; `type` says what it is. */
  readonly reply: z.ZodType | null;
  readonly type?: string;
  /** Status of success; 200 where absent. */
  readonly status?: number;
  /** A credential stands in its body or query: wrong ones are limited by address, as wrong tokens are. */
  readonly tries?: boolean;
  /** Refused over a network without TLS. */
  readonly confidential?: boolean;
  /** Requests of one address in a minute, at most; absent: as many as come. */
  readonly perMinute?: number;
  handle(input: Input<unknown, unknown, unknown>): Promise<unknown>;
}

/** No parameters, no query. */
export const none = z.object({});
/** An id in the path. */
export const idParam = z.object({ id: z.coerce.number().int().positive() });
/** At most 100 of a list at once; the rest with the cursor. */
export const page = z.object({
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'a cursor is what "next_cursor" said')
    .optional()
    .describe('`next_cursor` of the page before, asked for with the same filters and in the same order'),
  limit: z.coerce.number().int().min(1).max(100).default(50).describe('items of one page: 1 to 100'),
});
/** The same for a list that can be read from either end. */
export const orderedPage = page.extend({
  order: z.enum(['oldest', 'newest']).default('oldest').describe('which end of the list to begin with'),
});
/** What somebody may remember of what they look for. */
export const text = z.string().trim().min(1).max(200).optional();
/** A list of words, separated by commas. */
export const states = <T extends string>(words: readonly [T, ...T[]]) =>
  z.preprocess((value) => (typeof value === 'string' ? value.split(',') : value), z.array(z.enum(words)).optional());
/** A project by id or full path. */
export const project = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.union([z.number().int(), z.string().max(1_000)]).optional(),
);

interface Typed<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType> {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly reply: R;
  readonly status?: number;
  readonly tries?: boolean;
  readonly confidential?: boolean;
  handle(input: Input<z.output<P>, z.output<Q>, z.output<B>>): Promise<z.input<R> | Answer>;
}
/** A JSON route, its handler checked against its schemas. */
export function route<
  P extends z.ZodType = typeof none,
  Q extends z.ZodType = typeof none,
  B extends z.ZodType = z.ZodNull,
  R extends z.ZodType = z.ZodType,
>(method: Route['method'], url: string, summary: string, demand: Demand | null, typed: Typed<P, Q, B, R>): Route {
  const handle = typed.handle as Route['handle'];
  return {
    method,
    url,
    summary,
    demand,
    status: typed.status ?? 200,
    tries: typed.tries ?? false,
    confidential: typed.confidential ?? false,
    params: typed.params ?? none,
    query: typed.query ?? none,
    body: typed.body ?? null,
    reply: typed.reply,
    handle,
  };
}
/** One more than asked for is read: whether there is a next page is known without asking again. */
export const pageOf = (query: z.output<typeof page>) => ({ after: Number(query.cursor ?? 0), limit: query.limit + 1 });
/** The same for a list that can be read from either end. */
export const orderedPageOf = (query: z.output<typeof orderedPage>) => ({
  ...pageOf(query),
  newest: query.order === 'newest',
});
/** A page of a list, with the cursor of the next one. */
export function paged<T, V>(
  items: readonly T[],
  limit: number,
  id: (item: T) => number,
  view: (item: T) => V,
): { items: V[]; next_cursor: string | null } {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(view), next_cursor: items.length > limit && last !== undefined ? String(id(last)) : null };
}
/** A token with this scope. */
export const asks = (scope: TokenScope): Demand => ({ scope });
