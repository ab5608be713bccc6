import type { z } from 'zod';

/** Where the hub is and who asks. */
export interface ClientOptions {
  /** Origin of the hub, e.g. `http://127.0.0.1:8094`. */
  readonly url: string;
  readonly token: string | null;
  /** Milliseconds for one request, answer included. */
  readonly timeoutMs: number;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The hub's HTTP API as the command line sees it; every call rejects with a HoldpointError. */
export interface HubClient {
  readonly url: string;
  readonly token: string | null;
  /** `path` begins with `/api/v1/`; the answer is checked against the schema. */
  get<T extends z.ZodType>(path: string, schema: T, query?: Query): Promise<z.output<T>>;
  post<T extends z.ZodType>(path: string, schema: T, body: unknown): Promise<z.output<T>>;
  /** Every item of a paged list, oldest page first, at most `maxItems`. */
  list<T extends z.ZodType>(path: string, item: T, query?: Query, maxItems?: number): Promise<z.output<T>[]>;
  /** The body as text chunks, for exports. */
  stream(path: string, query?: Query): AsyncIterable<string>;
}

/** A client over the built-in fetch; it never follows a redirect, so that the token goes nowhere else (T24). */
export function createHubClient(_options: ClientOptions): HubClient {
  throw new Error('being written');
}
