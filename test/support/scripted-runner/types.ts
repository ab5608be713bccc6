/** One `[[runners]]` entry and what the program does with its jobs. */
export interface ScriptedRunnerOptions {
  /** Base as in config.toml: GitLab's or the gateway's. */
  readonly url: string;
  readonly token: string;
  /** `18.5` sends PUT running at once and obeys the answer; `17.0` finds out later. */
  readonly version: '18.5' | '17.0';
  /** `pty`: really runs the script lines in a terminal; `custom`: a custom executor does; `none`: all of the wire without running anything. */
  readonly exec: 'pty' | 'custom' | 'none';
  /** With exec `custom`: the program that its verbs are added to. */
  readonly custom?: readonly string[];
  /** Milliseconds between polls; gitlab-runner's default is 3,000, here 50. */
  readonly checkIntervalMs?: number;
  /** Milliseconds between log patches until the server says otherwise; gitlab-runner's is 3,000, here 50. */
  readonly updateIntervalMs?: number;
  /** Real seconds that one second of X-GitLab-Trace-Update-Interval, Retry-After and back-off lasts; default 0.02. */
  readonly timeScale?: number;
  readonly systemId?: string;
  readonly name?: string;
  /** Jobs at a time; default 1. */
  readonly concurrent?: number;
  /** Output of a job with exec `none`. */
  readonly output?: string;
  /** Exit code of a job with exec `none`; default 0. */
  readonly exitCode?: number;
  /** With exec `none`: the job goes on until this resolves, with the job's exit code where it is a number. */
  readonly work?: (job: RunnerWork) => Promise<unknown>;
}

/** A job that something else than the program itself runs. */
export interface RunnerWork {
  readonly id: number;
  /** The bytes of the answer, as text. */
  readonly raw: string;
  /** Adds to the job's log. */
  write(chunk: Buffer): void;
  /** Aborted when the job is to end. */
  readonly stopped: AbortSignal;
}

/** A job that began to run. */
export interface StartedJob {
  readonly jobId: number;
  readonly name: string;
  /** Script lines as they were about to run. */
  readonly lines: readonly string[];
  /** The bytes of the answer, as text. */
  readonly raw: string;
}

/** How a job went, as the runner saw it. */
export interface FinishedJob {
  readonly jobId: number;
  /** `aborted`: GitLab said stop and nothing more was sent; `dropped`: given up before anything ran. */
  readonly outcome: 'success' | 'failed' | 'canceled' | 'aborted' | 'dropped';
  readonly exitCode: number | null;
  /** All that the job wrote, masked, as it would stand in the log. */
  readonly output: string;
}

/** A program that behaves like gitlab-runner on the wire. */
export interface ScriptedRunner {
  readonly started: readonly StartedJob[];
  readonly finished: readonly FinishedJob[];
  /** Every answer to jobs/request: status, or 0 for a connection that broke. */
  readonly polls: readonly { readonly at: number; readonly status: number }[];
  /** False after 3 refusals (403) in a row, for an hour. */
  healthy(): boolean;
  onStart(listener: (job: StartedJob) => void): void;
  onFinish(listener: (job: FinishedJob) => void): void;
  /** Stops asking, kills what runs, leaves no process; resolves when all is gone. */
  stop(): Promise<void>;
}
