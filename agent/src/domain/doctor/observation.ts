import type { ExecutorLook } from './executor-look.ts';
import type { Answer } from './finding.ts';

/**
 * What `doctor` has gathered of a host, as plain data without a secret in it: the checks are functions of this alone, so each is
 * tried on what a test writes down. Words of gitlab-runner's own file (`url`, `clone_url`, `executor`) are kept, since people look for them there.
 */

/** Something that was looked at, or why it could not be and how to let it be. */
export type Seen<T> =
  | { readonly seen: true; readonly value: T }
  | { readonly seen: false; readonly why: string; readonly mend: string | null };

export const seen = <T>(value: T): Seen<T> => ({ seen: true, value });
export const unseen = (why: string, mend: string | null = null): Seen<never> => ({ seen: false, why, mend });

/** What agent.yml or hub.yml, flags and environment say, without what is secret. */
export interface SettingsLook {
  readonly file: string | null;
  readonly gitlabUrl: string;
  /** Null: a hub by itself, which has none. */
  readonly gateway: { readonly host: string; readonly port: number } | null;
  readonly stateDir: string;
  readonly runners: readonly {
    readonly name: string;
    /** Its jobs are gated: protected, and not in mode monitor. */
    readonly guarded: boolean;
    /** It has a token of this gateway. */
    readonly ownToken: boolean;
  }[];
  /** Where receipts are asked for; null: nowhere. */
  readonly receipts: {
    readonly socket: string;
    /** Null: nothing is there. */
    readonly found: {
      readonly isSocket: boolean;
      /** A folder on the way to it that others may write in. */
      readonly openFolder: { readonly path: string; readonly mode: number } | null;
    } | null;
  } | null;
  /** What keeps the agent from starting with it. */
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** Why a TLS handshake failed, told apart because each has its own mend. */
export type TlsFault = 'unknown_ca' | 'name' | 'expired' | 'not_yet' | 'other';

export type GitlabLook =
  | {
      readonly outcome: 'answered';
      readonly status: number;
      /** Null where nobody may ask without a token. */
      readonly version: string | null;
      /** Whether a token was sent, and was taken. */
      readonly token: 'none' | 'taken' | 'refused';
      /** GitLab's clock minus ours in ms; null without a Date header. */
      readonly skewMs: number | null;
      /** Address that it sends elsewhere to. */
      readonly redirect: string | null;
      /** It answers as GitLab's API does. */
      readonly isApi: boolean;
    }
  | { readonly outcome: 'tls'; readonly fault: TlsFault; readonly detail: string }
  | { readonly outcome: 'away'; readonly code: string };

/** One `[[runners]]` of a config.toml. */
export interface RunnerEntryLook {
  readonly file: string;
  readonly name: string;
  readonly id: number | null;
  readonly url: string | null;
  readonly cloneUrl: string | null;
  readonly executor: string;
  /** Whose token it carries: a gateway token or the real one of an entry of agent.yml, another, none; unknown where those of agent.yml were not seen. */
  readonly token: 'gateway' | 'real' | 'other' | 'none' | 'unknown';
  /** Name of that entry of agent.yml. */
  readonly runner: string | null;
  /** `tls-ca-file`, and whether GitLab's certificate is good by it; null where that could not be tried. */
  readonly tlsCa: { readonly path: string; readonly vouches: boolean | null } | null;
  readonly usesRouter: boolean;
  readonly docker: {
    readonly network: string | null;
    readonly extraHosts: readonly string[];
    readonly privileged: boolean;
    readonly volumes: readonly string[];
  };
  /** What `[runners.custom]` calls before a job and for each of its stages. */
  readonly custom: {
    readonly prepare: string | null;
    readonly run: string | null;
    /** The whole line of each call that is set, by the executor's own word for it: `cleanup`: `holdpoint executor cleanup`. */
    readonly calls: Readonly<Record<string, readonly string[]>>;
    /** `graceful_kill_timeout`; null: it is not set. */
    readonly gracefulKillS: number | null;
  };
}

export interface RunnerFileLook {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  /** Why its entries are not known. */
  readonly problem: string | null;
  /** Copies beside it that have a real token in them. */
  readonly copies: readonly string[];
  readonly entries: readonly RunnerEntryLook[];
}

/** A gitlab-runner that runs. */
export interface RunnerProcessLook {
  readonly pid: number;
  readonly uid: number;
  /** `--config`, or where it looks by itself. */
  readonly config: string;
  /** `--url`, or CI_SERVER_URL of its environment. */
  readonly url: string | null;
  /** `--user`: whom it runs jobs of the shell executor as. */
  readonly jobUser: string | null;
  /** FF_USE_JOB_ROUTER of its environment; null where that could not be read. */
  readonly usesRouter: boolean | null;
}

export interface ProcessesLook {
  readonly runners: readonly RunnerProcessLook[];
  /** Other processes of the agent's user, by name; ours and the agent's own are not among them. */
  readonly sameUser: readonly { readonly pid: number; readonly name: string }[];
}

/** A file or folder that somebody else must not read, or not change. */
export interface FileLook {
  readonly path: string;
  readonly what: string;
  /** `secret`: nobody else may read it. `rules`: nobody else may change it. `runner`: gitlab-runner's own, and so is its owner. */
  readonly kind: 'secret' | 'rules' | 'runner';
  readonly mode: number;
  readonly uid: number;
  /** Folder it lies in, where others may exchange it. */
  readonly openFolder: { readonly path: string; readonly mode: number } | null;
}

export interface AccountsLook {
  readonly names: Readonly<Record<number, string>>;
  /** Members of the group `docker`; null: there is no such group. */
  readonly docker: readonly string[] | null;
  /** Who may become root with sudo; unseen without the right to read it. */
  readonly sudo: Seen<readonly string[]>;
}

export interface DiskLook {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Share of inodes that is free, 0 to 1; 1 where the file system does not count them. */
  readonly freeFiles: number;
  readonly kind: 'disk' | 'memory' | 'network';
}

export interface SyncLook {
  readonly medianMs: number;
  readonly worstMs: number;
}

export interface BackupLook {
  /** Epoch ms of the last that was made; null: none was. */
  readonly lastAt: number | null;
  /** How long there has been something to lose. */
  readonly sinceMs: number;
}

/** Where the hub keeps everything. */
export interface StoreLook {
  /** Path or address, without a password. */
  readonly name: string;
  /** The schema that this program writes. */
  readonly wanted: number;
  readonly state:
    | {
        readonly outcome: 'open';
        /** Newest step of its schema; 0: nothing is in it yet. */
        readonly schema: number;
        /** Version of the database server; null for SQLite. */
        readonly server: string | null;
        /** It takes reads alone. */
        readonly readOnly: boolean;
      }
    | { readonly outcome: 'absent' }
    /** In words, with the way out. */
    | { readonly outcome: 'away'; readonly why: string };
}

/** A certificate that people and agents are shown when they come to the hub. */
export interface CertificateLook {
  /** Its file, or the address where it is shown. */
  readonly where: string;
  /** Epoch ms. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** The name that people use, and whether it stands in the certificate; null without such a name. */
  readonly name: { readonly host: string; readonly covered: boolean } | null;
}

/** Something elsewhere that the hub speaks with; `problem`: why it cannot, null when it can. */
export interface ReachLook {
  readonly name: string;
  readonly problem: string | null;
}

export interface HubLook {
  readonly url: string;
  readonly ready: 'ok' | 'degraded' | 'not_ready';
  readonly problems: readonly string[];
  readonly version: string | null;
  readonly skewMs: number | null;
  readonly agents: Seen<
    readonly {
      readonly name: string;
      readonly connected: boolean;
      readonly version: string | null;
      /** What the hub says is not as it should be with it. */
      readonly warnings: readonly string[];
    }[]
  >;
}

export interface PolicyLook {
  readonly file: string;
  /** It has `covered_files` for some job. */
  readonly coversFiles: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly tests: readonly {
    readonly file: string;
    readonly cases: number;
    readonly failed: readonly string[];
    readonly problems: readonly string[];
  }[];
}

/** A runner that GitLab knows and this host does not guard. */
export interface OtherRunnerLook {
  readonly id: number;
  readonly description: string;
  readonly tags: readonly string[];
  readonly runUntagged: boolean;
  readonly paused: boolean;
}
export interface SameTagsLook {
  readonly runner: string;
  readonly tags: readonly string[];
  readonly runUntagged: boolean;
  readonly others: readonly OtherRunnerLook[];
  /** Runners whose tags GitLab does not show to this token. */
  readonly hidden: number;
}

export interface Observation {
  /** Whose host it is: an agent's (with its hub in it or elsewhere), or that of a hub by itself. */
  readonly of: 'agent' | 'hub';
  /** A hub.yml on the host of an agent, which nobody has asked to look at. */
  readonly hubBeside: string | null;
  /** Epoch ms. */
  readonly now: number;
  /** Version of this program. */
  readonly version: string;
  /** The configuration, or everything that is wrong with it; `hidden`: this user may not read it. */
  readonly settings:
    | { readonly ok: true; readonly value: SettingsLook }
    | { readonly ok: false; readonly problems: readonly string[]; readonly hidden: boolean };
  /** User id of the agent, or of the hub by itself: the owner of state_dir; null while there is none. */
  readonly agentUid: number | null;
  readonly gitlab: Seen<GitlabLook>;
  /** What is behind each `holdpoint executor` of config.toml. */
  readonly executors: Seen<readonly ExecutorLook[]>;
  /** Version of git; null: there is none. */
  readonly git: Seen<string | null>;
  readonly runnerFiles: Seen<readonly RunnerFileLook[]>;
  readonly processes: Seen<ProcessesLook>;
  readonly files: Seen<{ readonly there: readonly FileLook[]; readonly hidden: readonly string[] }>;
  readonly accounts: Seen<AccountsLook>;
  readonly stateDir: Seen<{ readonly mode: number; readonly uid: number }>;
  readonly disk: Seen<DiskLook>;
  readonly sync: Seen<SyncLook>;
  readonly backup: Seen<BackupLook>;
  readonly gateway: Seen<'away' | 'ours' | 'other'>;
  readonly hub: Seen<HubLook>;
  readonly policy: Seen<PolicyLook>;
  readonly sameTags: Seen<readonly SameTagsLook[]>;
  readonly store: Seen<StoreLook>;
  readonly certificates: Seen<readonly CertificateLook[]>;
  /** Null: nobody signs in with OpenID Connect. */
  readonly signIn: Seen<ReachLook | null>;
  readonly channels: Seen<readonly ReachLook[]>;
}

/** One thing that is looked for. */
export interface Check {
  /** Stable; what `--json`, the API and the page name it by. */
  readonly id: string;
  readonly title: string;
  /** Why it matters: a sentence or two, for people and for the page of documentation. */
  readonly means: string;
  /** False: only the command can look, the agent itself does not. */
  readonly agent: boolean;
  /** Why it is not made on the host of a hub by itself; null: it is. */
  readonly notOfHub: string | null;
  look(observation: Observation): Answer;
}
