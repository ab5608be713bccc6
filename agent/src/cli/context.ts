import type { Io } from './io.ts';
import type { Parts } from './parts.ts';

/** What a command is given beside its own flags. */
export interface CommandContext {
  readonly io: Io;
  readonly parts: Parts;
  /** True when `--json` stands anywhere on the command line. */
  readonly json: boolean;
  /** Exit code of a command that has printed all it had to say, where that is not 0. */
  exitWith(code: number): void;
}
