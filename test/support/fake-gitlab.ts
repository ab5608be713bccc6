import type { FakeGitlab, FakeGitlabOptions } from './fake-gitlab/types.ts';

export type * from './fake-gitlab/types.ts';

/** Starts a GitLab that speaks the runner API on a real port of the loopback. */
export declare function startFakeGitlab(options?: FakeGitlabOptions): Promise<FakeGitlab>;
