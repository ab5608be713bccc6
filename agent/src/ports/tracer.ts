/** What a span may say: closed names, and values that are no secret by what they are. Texts are shortened, and tokens taken out of them. */
export interface SpanFacts {
  readonly request?: string | null | undefined;
  readonly job?: number | null | undefined;
  readonly hold?: number | null | undefined;
  readonly digest?: string | null | undefined;
  /** Name of the runner's entry. */
  readonly runner?: string | undefined;
  readonly route?: string | undefined;
  readonly status?: number | null | undefined;
  /** A word: how it ended. */
  readonly outcome?: string | undefined;
}

/** What is traced. */
export type SpanName =
  | 'take in a job'
  | 'ask for a verdict'
  | 'give a verdict'
  | 'hand over'
  | 'transfer'
  | 'answer a request';

/** Something that goes on. */
export interface Span {
  /** W3C traceparent, for what comes of it elsewhere; null when nothing is traced. */
  readonly context: string | null;
  end(facts?: SpanFacts): void;
}

/** Where spans go. Never throws, and never holds anything up. */
export interface Tracer {
  start(
    name: SpanName,
    facts: SpanFacts,
    options?: {
      /** Traceparent of what it is a part of. */
      readonly parent?: string | null | undefined;
      readonly kind?: 'server' | 'client';
      /** Epoch ms at which it began; now where absent. */
      readonly at?: number;
    },
  ): Span;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}
