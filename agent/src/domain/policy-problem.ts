import type { LifetimeLimit } from './lifetime.ts';
import type { Policy, PolicySettings } from './policy.ts';
import type { PolicyPath } from './policy-explain.ts';
import type { Principals } from './principal.ts';

/** Something that is wrong with a policy (`error`), or that somebody should have looked at (`warning`). */
export interface PolicyProblem {
  readonly severity: 'error' | 'warning';
  readonly path: PolicyPath;
  readonly message: string;
}
/** What a policy is looked at with. */
export interface PolicyCheck {
  /** True when the file itself says this. */
  readonly has: (path: PolicyPath) => boolean;
  /** Who there is; null where nobody said. */
  readonly principals: Principals | null;
  /** Names of the channels that there are; null where nobody said. */
  readonly channels?: readonly string[] | null;
  /** Epoch ms. */
  readonly now: number;
}

/** One problem. */
export const problem = (severity: PolicyProblem['severity'], path: PolicyPath, message: string): PolicyProblem => ({
  severity,
  path,
  message,
});

/** What holds for all jobs, and what entries say, with where it stands. */
export const places = (policy: Policy) => [
  { settings: policy.base as Partial<PolicySettings>, at: [] as PolicyPath },
  ...policy.entries.map(({ settings }, index) => ({ settings, at: ['configurations', index] as PolicyPath })),
];

/** A limit as a number of days, to be compared. */
export const days = (limit: LifetimeLimit): number =>
  limit.kind === 'run' ? 0 : limit.kind === 'days' ? limit.days : Number.POSITIVE_INFINITY;
