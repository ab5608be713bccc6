import type { AgentConfig } from '../config/load.ts';
import type { Policy } from '../domain/policy.ts';
import type { PayloadReader } from './digest.ts';
import type { VerifierOf } from './payload-files.ts';

/** An agent that runs, as the command line sees it. */
export interface RunningAgent {
  readonly gatewayUrl: string;
  readonly hubUrl: string;
  /** Text of the one-time bootstrap token; null when people have tokens already. */
  readonly bootstrapToken: string | null;
  /** Link with that token that signs the first administrator in on the page. */
  readonly firstLink: string | null;
  stop(): Promise<void>;
}

/** What commands need of the parts that they may not import; each is loaded when it is first asked for. */
export interface Parts {
  readonly version: string;
  startAgent(config: AgentConfig): Promise<RunningAgent>;
  /** How payloads are read, for `digest` and `diff`. */
  payloads(): Promise<{ readonly readPayload: PayloadReader; readonly jwksVerifier: VerifierOf }>;
  /** How policy files are read; throws `bad_config` with all problems. */
  policies(): Promise<{ readonly readPolicy: (text: string, name: string) => Policy }>;
  /** Tells the service manager how the process is; does nothing where there is none. */
  notifier(): Promise<{ ready(status: string): Promise<void>; stopping(): Promise<void> }>;
  /** Runs the demo to its end; resolves with an exit code. */
  runDemo(options: {
    readonly auto: boolean;
    readonly stop: AbortSignal;
    readonly color: boolean;
    /** Leaves the temporary folder where it is. */
    readonly keep: boolean;
  }): Promise<number>;
}
