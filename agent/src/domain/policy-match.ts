import { globMatches } from './scope.ts';

/** What a policy decides by. */
export interface PolicyTarget {
  readonly projectId: number;
  /** Full path; null where nobody told. */
  readonly projectPath: string | null;
  readonly job: string;
  /** Full ref such as `refs/heads/main`. */
  readonly ref: string;
  readonly refProtected: boolean;
  readonly environment: string | null;
}

/** For which jobs an entry speaks; all that is there must fit, what is absent fits always. Globs are anchored, `*` alone is special. */
export interface PolicyMatch {
  /** Ids, or globs over full paths (letter case does not count, as in GitLab). */
  readonly projects?: readonly (number | string)[];
  readonly jobs?: readonly string[];
  /** `protected`, `unprotected`, or globs over full refs. */
  readonly refs?: readonly string[];
  /** Globs over names, whatever their letter case; a job without an environment fits none. */
  readonly environments?: readonly string[];
}

const anyFits = <T>(wanted: readonly T[] | undefined, fits: (one: T) => boolean): boolean =>
  wanted === undefined || wanted.some(fits);

/** True when an entry speaks for the job. An empty list fits nothing (T16). */
export function entryFits({ projects, jobs, refs, environments }: PolicyMatch, target: PolicyTarget): boolean {
  const { projectId, projectPath, job, ref, refProtected, environment } = target;
  return (
    anyFits(projects, (one) =>
      typeof one === 'number'
        ? one === projectId
        : projectPath !== null && globMatches(one.toLowerCase(), projectPath.toLowerCase()),
    ) &&
    anyFits(jobs, (one) => globMatches(one, job)) &&
    anyFits(refs, (one) =>
      one === 'protected' ? refProtected : one === 'unprotected' ? !refProtected : globMatches(one, ref),
    ) &&
    // As where environments are protected: another letter case is no way out of a rule or a freeze (T20).
    anyFits(environments, (one) => environment !== null && globMatches(one.toLowerCase(), environment.toLowerCase()))
  );
}
