/** The process as a command sees it, so that a test can be one. */
export interface Io {
  /** Writes to standard output; resolves when more may be written. */
  out(text: string): Promise<void>;
  err(text: string): void;
  /** Asks whoever sits at the terminal; null where nobody does. Resolves with the line that was typed. */
  readonly ask: ((question: string) => Promise<string>) | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** True when standard output is a terminal that shows colours. */
  readonly colour: boolean;
  /** Width of the terminal in columns; 80 where it is none. */
  readonly columns: number;
  /** Epoch milliseconds. */
  now(): number;
  /** Aborted by Ctrl-C and by SIGTERM; a command that asks for it ends by itself, any other is ended at once. */
  readonly stop: AbortSignal;
}
