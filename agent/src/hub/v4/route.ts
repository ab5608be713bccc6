/** What a route of GitLab's API is made of. */
import type { z } from 'zod';
import type { Caller } from '../../app/hub-context.ts';
import type { TokenScope } from '../../domain/token.ts';
import type { Params } from '../../wire/v4/form.ts';

/** One request with a person behind it. */
export interface V4Request {
  readonly caller: Caller;
  /** A part of the path, decoded. */
  path(name: string): string;
  /** Query and body against a schema. Throws `parameters`. */
  read<T extends z.ZodType>(schema: T): z.output<T>;
  /** Query and body as they came, for links to other pages. */
  readonly params: Params;
  /** Path of the request as it was sent, without the query. */
  readonly rawPath: string;
}
/** An answer that is no error. */
export interface V4Answer {
  /** 200 where absent. */
  readonly status?: number;
  /** Undefined: no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
/** One route as data. */
export interface V4Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /api/v4. */
  readonly url: string;
  /** One sentence for the reference page. */
  readonly summary: string;
  /** The token has one of them at least; none: any token of a person. */
  readonly scopes: readonly TokenScope[];
  /** Counts as a vote for the limit on those. */
  readonly vote?: boolean;
  handle(request: V4Request): Promise<V4Answer>;
}
