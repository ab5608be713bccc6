import type { ValueShape } from './value-shapes.ts';

/** Somebody whose name stands in the commit of a run. */
export interface CommitPerson {
  readonly role: 'author' | 'committer';
  /** Id of the user that this is, null while nobody could tell. */
  readonly id: number | null;
  readonly name: string;
  readonly email: string | null;
}

/**
 * What is known of one run of a job and is *not* part of its Configuration.
 * Every string in it has had the payload's secrets taken out before it leaves the agent.
 */
export interface Facts {
  /** Origin of the CI server, e.g. `https://gitlab.example.com`. */
  readonly instance: string;
  readonly project: { readonly id: number; readonly path: string | null };
  readonly job: {
    readonly id: number;
    readonly name: string;
    readonly stage: string | null;
    readonly url: string | null;
  };
  readonly pipeline: {
    readonly id: number | null;
    readonly source: string | null;
    readonly url: string | null;
    /** True when GitLab itself named the source; a variable alone may have been typed (T17). */
    readonly verified: boolean;
  };
  readonly ref: {
    /** `refs/heads/main`, `refs/tags/v1`, `refs/merge-requests/12/head`; from `git_info`, never from a variable. */
    readonly full: string;
    readonly name: string;
    readonly type: 'branch' | 'tag' | 'merge_request';
    /** `null` in the payload counts as false. */
    readonly protected: boolean;
  };
  readonly commit: {
    readonly sha: string;
    readonly title: string | null;
    readonly author: string | null;
    /** Author and committers; null when nothing names them. */
    readonly people: readonly CommitPerson[] | null;
  };
  /** Null for a job without an environment. `verified` is true when GitLab itself confirmed the name. */
  readonly environment: {
    readonly name: string;
    readonly slug: string | null;
    readonly tier: string | null;
    readonly action: string | null;
    readonly url: string | null;
    readonly verified: boolean;
  } | null;
  readonly trigger: {
    readonly id: number | null;
    readonly username: string | null;
    readonly name: string | null;
    /** `gitlab`: read from GitLab with the job's own token; `payload`: job_info.user_id; `unverified`: a variable alone. */
    readonly verified: 'gitlab' | 'payload' | 'unverified';
  };
  /** What the trigger is in the project, in GitLab's words; empty when GitLab did not say. For reading, never for a right. */
  readonly roles: readonly string[];
  /** The agent's own name for the `runners[]` entry that was given the job. */
  readonly runner: string;
  readonly timeoutS: number;
  /** Jobs whose artifacts are unpacked over the checkout; `samePipeline` as GitLab says, null where it could not be asked (T48). */
  readonly dependencies: readonly {
    readonly name: string;
    readonly jobId: number | null;
    readonly samePipeline: boolean | null;
  }[];
  /** Values that a person may have typed and that the form does not show (non-public, unmasked): names only. */
  readonly blind: readonly string[];
  /** Words for what each of those looks like, never the value; absent for jobs of older agents. */
  readonly shapes?: readonly { readonly name: string; readonly shapes: readonly ValueShape[] }[] | undefined;
  /** What its images stood for where the policy has that noted (`pin_images: record`); absent where it has not. */
  readonly images?: readonly { readonly reference: string; readonly digest: string | null }[] | undefined;
  /** Covered variables that change how a runner or a shell behaves: name only. */
  readonly behaviour: readonly string[];
  /** What the digest leaves out, with the value of this run where it is no secret (else null) and the reason. */
  readonly notCovered: readonly { readonly path: string; readonly value: string | null; readonly reason: string }[];
  /** Things an approver must be warned of, in words: a script line with a secret in it, a script that interpolates a text variable, … */
  readonly warnings: readonly string[];
}
