import type { RegistryLogin } from '../domain/image-reference.ts';

/** An image or a service of a job as its payload names it; `$VARIABLES` in it are replaced already. */
export interface WantedImage {
  /** The reference as it would be pulled: `registry/name:tag` or `name@sha256:…`. */
  readonly reference: string;
  /** Null: the image's own. An empty list: none, not even the image's. */
  readonly entrypoint: readonly string[] | null;
  /** `user` or `uid[:gid]`; null: what the configuration or the image says. */
  readonly user: string | null;
  /** `os/arch[/variant]`; null: the host's. */
  readonly platform: string | null;
  /** What the job asks for, best first; empty: what the configuration says. */
  readonly pullPolicies: readonly string[];
}

/** A service of a job. */
export interface WantedService extends WantedImage {
  /** Host names by which the job finds it; at least one. */
  readonly aliases: readonly string[];
  /** Null: the image's own. */
  readonly command: readonly string[] | null;
  /** Variables of this service alone and those of the job that it may see. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a driver is told of a job: read from JOB_RESPONSE_FILE alone, never from variables that a job can set. */
export interface ExecutorJob {
  readonly id: number;
  readonly projectId: number;
  readonly projectPath: string;
  readonly name: string;
  /** True where GitLab says that the job runs for a protected ref; caches are kept apart by it. */
  readonly protectedRef: boolean;
  /** Milliseconds that GitLab gives the job; null where it does not say. */
  readonly timeoutMs: number | null;
  readonly image: WantedImage | null;
  readonly services: readonly WantedService[];
  /** Who may pull where; secret. */
  readonly registries: readonly RegistryLogin[];
  /** True where the job asks for the logs of its services. */
  readonly debugServices: boolean;
}

/** The process that started the executor, so that a later one can tell whether it is still there. */
export interface OwnerProcess {
  readonly pid: number;
  /** Ticks between boot and start: with pid, boot and namespace no other process has them. */
  readonly startedAt: number;
  /** Id of the host's boot. */
  readonly boot: string;
  /** Namespace that the pid counts in: from another one it says nothing. */
  readonly namespace: string;
}

/** One run of one job on this host; all stages of it, though processes of their own, have the same. */
export interface ExecutorSession {
  /** `[0-9]+-[0-9a-f]+`: fit for names of containers, folders and units; the same for each attempt at the same job. */
  readonly id: string;
  readonly job: ExecutorJob;
  readonly owner: OwnerProcess;
  /** Epoch ms after which the job cannot be running any more. */
  readonly endsBefore: number;
  /** Content digest (`sha256:…`) to run for a reference; a reference that is not in it is run by its name. */
  readonly images: Readonly<Record<string, string>>;
}

/** Where what a stage prints goes; resolves when more may be written. Bytes as they came: they need not be text. */
export interface ExecutorOutput {
  out(chunk: Uint8Array): Promise<void>;
  err(chunk: Uint8Array): Promise<void>;
}

/** What every verb of a driver gets beside its session. */
export interface ExecutorCall {
  readonly output: ExecutorOutput;
  /** Aborted when the runner cancels the job or its time is over: end the stage's processes, all of them. */
  readonly cancel: AbortSignal;
}

/** A script of gitlab-runner for one stage. */
export interface ExecutorStage {
  /** As gitlab-runner calls it: `get_sources`, `step_script`, `after_script`, … */
  readonly name: string;
  readonly script: Uint8Array;
}

/** How a verb ended. What is the job's own fault is `exited`; what is the host's is `system_failure`, which may be tried again. */
export type ExecutorResult =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'cancelled' }
  /** `words`: one line for the job log; no secret, no stack. */
  | { readonly kind: 'system_failure'; readonly words: string };

/** Something that a session has left on the host. */
export interface Leftover {
  readonly session: string;
  readonly owner: OwnerProcess | null;
  /** Epoch ms; null where what is left does not say. */
  readonly endsBefore: number | null;
}

/** Folders of a job; `shared` where other jobs of the same runner have the same. */
export interface ExecutorPlaces {
  readonly buildsDir: string;
  readonly cacheDir: string;
  readonly shared: boolean;
}

/**
 * Something that runs jobs. Each verb is called by a process of its own: whatever one verb must know of an earlier one
 * stands on the host under the session's name, where a later process finds it even after a kill -9.
 */
export interface ExecutorDriver {
  readonly name: string;
  readonly version: string;
  /** Where the working copies and the cache of a session lie, as the job sees them. */
  places(session: string): ExecutorPlaces;
  /** Makes everything that stages need; what an attempt before has left of this session is removed first. `exited` with 0 is success. */
  prepare(session: ExecutorSession, call: ExecutorCall): Promise<ExecutorResult>;
  /** Runs one script; `system_failure` where this session was never prepared. No process of it lives on afterwards. */
  run(session: ExecutorSession, stage: ExecutorStage, call: ExecutorCall): Promise<ExecutorResult>;
  /** Removes everything of a session, in whatever state; done when nothing is there. `prepared`: it could have run a stage. */
  cleanup(session: string): Promise<{ readonly prepared: boolean }>;
  /** Removes every session of this driver that is over in the eyes of `isOver`; answers with those. */
  sweep(isOver: (leftover: Leftover) => boolean): Promise<readonly Leftover[]>;
}
