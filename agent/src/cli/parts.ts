import type { ExecutorConfig } from '../config/executor.ts';
import type { AgentConfig, HubConfig, StoreConfig } from '../config/load.ts';
import type { ConfigSources } from '../config/sources.ts';
import type { DeclaredJob } from '../domain/declared-job.ts';
import type { Finding } from '../domain/doctor/finding.ts';
import type { Policy } from '../domain/policy.ts';
import type { PolicyCaseFile } from '../domain/policy-case.ts';
import type { PolicyPath } from '../domain/policy-explain.ts';
import type { Principals } from '../domain/principal.ts';
import type { ReceiptRow } from '../wire/receipts.ts';
import type { PayloadReader } from './digest.ts';
import type { SectionParts } from './digest-sections.ts';
import type { HubToAsk } from './hub-look.ts';
import type { FoundRunner } from './init/plan.ts';
import type { VerifierOf } from './payload-files.ts';

/** A hub that runs, as the command line sees it. */
export interface RunningHub {
  readonly hubUrl: string;
  /** Text of the one-time bootstrap token; null when people have tokens already. */
  readonly bootstrapToken: string | null;
  /** Link with that token that signs the first administrator in on the page. */
  readonly firstLink: string | null;
  /** What a stop would wait for, and how long at most; null where there is no such thing. */
  left(): { readonly requests: number | null; readonly parked: number | null; readonly atMostMs: number };
  /** Resolves when it does its work; what it cannot do without answers. */
  alive(): Promise<void>;
  stop(): Promise<void>;
}
/** An agent that runs, with its own hub or with one elsewhere. */
export interface RunningAgent extends RunningHub {
  readonly gatewayUrl: string;
  /** Address of the agent's own metrics and health; null where it has none. */
  readonly metricsUrl: string | null;
}

/** What was copied from store to store. */
export interface StoreCopied {
  readonly rows: number;
  /** End of the audit, which was read again from its first row. */
  readonly audit: { readonly seq: number; readonly hash: string };
}

/** A policy, and where in its file everything stands. */
export interface ReadPolicy {
  readonly policy: Policy;
  /** Line of the nearest thing that is there. */
  line(path: PolicyPath): number;
  /** True when the file itself says this. */
  has(path: PolicyPath): boolean;
}
/** How the files of a policy are read; each reader throws `bad_config` with all problems, each with its line. */
export interface PolicyParts {
  readPolicy(text: string, name: string): Policy;
  readPolicyFile(text: string, name: string): ReadPolicy;
  readPrincipals(text: string, name: string): Principals;
  readCases(text: string, name: string): PolicyCaseFile;
  /** JSON Schema of policy.yaml, or of the files with its tests. */
  schema(of: 'policy' | 'tests'): object;
}

/** What GitLab makes of a `.gitlab-ci.yml`, and how it is read. */
export interface YamlParts {
  /** Asks GitLab; rejects with `bad_input` for a file that it does not take. */
  lint(question: {
    readonly url: string;
    readonly ca?: string | undefined;
    readonly token: string;
    readonly project: string;
    readonly content: string;
    readonly ref: string | null;
    readonly dryRun: boolean;
  }): Promise<{ readonly mergedYaml: string; readonly jobs: readonly unknown[] }>;
  /** Jobs of a merged YAML; `linted` as {@link lint} answered them, null where nobody asked. Throws `bad_input`. */
  jobs(mergedYaml: string, name: string, linted: readonly unknown[] | null): readonly DeclaredJob[];
  /** On which line of a file each job stands. */
  linesOfJobs(yaml: string): ReadonlyMap<string, number>;
}

/** What a backup has in it. */
export interface BackupReport {
  readonly out: string;
  /** Epoch ms. */
  readonly at: number;
  readonly running: boolean;
  readonly keys: boolean;
  readonly parked: number;
  readonly audit: { readonly seq: number; readonly hash: string };
  /** Why the audit in it does not verify; null when it does. */
  readonly fault: string | null;
}
/** What a restore has brought back, and what it has not. */
export interface RestoreReport {
  /** Epoch ms of the backup. */
  readonly at: number;
  readonly audit: { readonly seq: number; readonly hash: string };
  /** Rows of the audit that were signed since; null where nobody could say. */
  readonly lostRows: number | null;
  /** Tokens that were revoked now, and those that count. */
  readonly revoked: number;
  readonly valid: number;
  readonly parked: number;
  readonly givenUp: boolean;
}
/** Which of an agent's keys. */
export type KeyKind = 'hub' | 'seal' | 'variable';
/** One key, and never its text. */
export interface KeyView {
  readonly kind: KeyKind;
  readonly path: string;
  /** Tells it from another: of the hub's the id of its public key. */
  readonly id: string;
  /** Epoch ms. */
  readonly since: number;
  readonly publicKey: string | null;
  /** True while a rotation of it has begun and not ended. */
  readonly interrupted: boolean;
}
/** What a rotation has done, or would do. */
export interface KeyReport {
  readonly kind: KeyKind;
  readonly dryRun: boolean;
  readonly from: string;
  readonly to: string | null;
  /** Files that are sealed with it. */
  readonly sealed: number | null;
  readonly publicKey: string | null;
  /** What another variable key touches. */
  readonly impact: {
    readonly kept: number;
    readonly tolerated: readonly TouchedApproval[];
    readonly lost: readonly TouchedApproval[];
    readonly denials: readonly number[];
    readonly open: readonly number[];
  } | null;
}
/** An approval that another variable key touches. */
export interface TouchedApproval {
  readonly id: number;
  readonly project: string;
  readonly job: string;
  readonly ref: string;
  readonly environment: string | null;
}
/** Care of an agent's state, on its own machine. */
export interface CareParts {
  backup(
    config: AgentConfig | HubConfig,
    options: { readonly out: string; readonly keys: boolean; readonly now: number },
  ): Promise<BackupReport>;
  listKeys(config: AgentConfig | HubConfig): readonly KeyView[];
  rotateKey(
    config: AgentConfig | HubConfig,
    kind: KeyKind,
    options: { readonly dryRun: boolean; readonly now: number },
  ): Promise<KeyReport>;
  restore(
    config: AgentConfig | HubConfig,
    options: {
      readonly from: string;
      readonly witness: string | null;
      readonly revokeAllTokens: boolean;
      readonly giveUpParked: boolean;
      readonly now: number;
    },
  ): Promise<RestoreReport>;
}

/** What `doctor` is to look at. */
export interface DoctorRequest {
  readonly sources: ConfigSources;
  /** Files of gitlab-runner; empty: where it keeps them. */
  readonly runnerConfigs: readonly string[];
  /** hub.yml of a hub by itself that is to be looked at; null: the agent, unless this host has a hub.yml alone. */
  readonly hubConfig: string | null;
  /** The hub to ask, given what agent.yml or hub.yml says; null where that cannot be read. */
  readonly hub: (config: AgentConfig | HubConfig | null) => HubToAsk;
  readonly now: () => number;
}

/** How `init` reads and writes the files of others. */
export interface SetupParts {
  readonly isRoot: boolean;
  /** The `[[runners]]` of a config.toml; throws `bad_input` when it is no TOML. */
  readRunners(text: string, name: string): readonly FoundRunner[];
  /** The text with these values set, everything else byte for byte. */
  editRunners(text: string, name: string, changes: ReadonlyMap<number, Readonly<Record<string, string>>>): string;
  userNamed(name: string): SystemUser | null;
  openFolder(path: string, owner: SystemUser | null): void;
  createFile(path: string, text: string, mode: number, owner: SystemUser | null): void;
  /** Answers with the path of the copy of the old text. */
  replaceFile(path: string, before: string, after: string): string;
}
/** A user of this host. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Receipts of this host, asked for at its agent. */
export interface ReceiptParts {
  spend(jobResponse: Uint8Array, session: string): Promise<ReceiptSaid>;
  check(jobId: number, token: string): Promise<ReceiptSaid>;
  list(): Promise<readonly ReceiptRow[]>;
}
/** A receipt, or why there is none, in one line. */
export type ReceiptSaid =
  | {
      readonly ok: true;
      readonly receipt: { readonly jobId: number; readonly digest: string; readonly through?: string };
    }
  | { readonly ok: false; readonly refusal: string; readonly words: string };
/** The custom executor of one call of gitlab-runner. */
export interface ExecutorParts {
  /** What config_exec prints. */
  config(): Promise<object>;
  /** Each verb resolves with the exit code that gitlab-runner is told; never rejects. */
  prepare(stop: AbortSignal): Promise<number>;
  run(script: string, stage: string, stop: AbortSignal): Promise<number>;
  cleanup(): Promise<number>;
  /** Removes what sessions that are over have left; answers with them. */
  sweep(): Promise<readonly string[]>;
}

/** What commands need of the parts that they may not import; each is loaded when it is first asked for. */
export interface Parts {
  readonly version: string;
  startAgent(config: AgentConfig): Promise<RunningAgent>;
  startHub(config: HubConfig): Promise<RunningHub>;
  receipts(options: {
    readonly socket: string;
    readonly runner: string | null;
    readonly patienceMs: number;
  }): Promise<ReceiptParts>;
  /** Copies a store that no hub has open; rejects in words, and then nothing was written. */
  copyStore(from: StoreConfig, to: StoreConfig): Promise<StoreCopied>;
  /** How payloads are read, for `digest` and `diff`. */
  payloads(): Promise<{ readonly readPayload: PayloadReader; readonly jwksVerifier: VerifierOf }>;
  /** Reads files of a clone on this host, without running anything of it. */
  clones(): Promise<{ readonly filesIn: SectionParts['filesIn'] }>;
  /** Backup and restore. */
  care(): Promise<CareParts>;
  /** How a `.gitlab-ci.yml` is read, for `check`. */
  ciYaml(): Promise<YamlParts>;
  /** How policy files are read; throws `bad_config` with all problems. */
  policies(): Promise<PolicyParts>;
  setup(): Promise<SetupParts>;
  /** The custom executor, as gitlab-runner has called it with this environment. */
  executor(config: ExecutorConfig, env: Readonly<Record<string, string | undefined>>): Promise<ExecutorParts>;
  /** Looks at this host, GitLab and the hub, and says what is to be mended; changes nothing. */
  doctor(options: DoctorRequest): Promise<readonly Finding[]>;
  /** Tells the service manager how the process is; does nothing where there is none. */
  notifier(): Promise<{
    ready(status: string, alive: () => Promise<void>): Promise<void>;
    stopping(status: string, atMostMs: number): Promise<void>;
  }>;
  /** Runs another command line of this program; null when it has no such command. */
  run(argv: readonly string[]): Promise<{ readonly exit: number; readonly out: string; readonly err: string } | null>;
  /** Runs the demo to its end; resolves with an exit code. */
  runDemo(options: {
    readonly auto: boolean;
    readonly stop: AbortSignal;
    readonly color: boolean;
    /** Leaves the temporary folder where it is. */
    readonly keep: boolean;
  }): Promise<number>;
}
