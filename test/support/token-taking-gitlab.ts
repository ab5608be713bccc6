import type { CiApi } from '../../agent/src/ports/ci-api.ts';
import type { TestProvider } from './identity-provider.ts';

/** One retry that was asked for, and the token that it came with. */
export interface AskedRetry {
  readonly token: string;
  readonly user: number;
  readonly scope: string;
  readonly job: number;
}

/** GitLab's interface as far as retries go; it takes the tokens that the provider gave and that nobody has taken back. Job 7 has failed, and a retry makes job 8. */
export function tokenTakingGitlab(provider: TestProvider): { readonly api: CiApi; readonly retried: AskedRetry[] } {
  const retried: AskedRetry[] = [];
  const owner = (token: string) => provider.given.get(token);
  const api: Partial<CiApi> = {
    async whoIs(token) {
      const found = owner(token);
      if (found === undefined) return { ok: false, status: 401 };
      return { ok: true, value: { id: found.user, username: `user-${found.user}` } };
    },
    async look(token) {
      if (owner(token) === undefined) return { ok: false, status: 401 };
      const id = retried.length === 0 ? 7 : 8;
      const status = retried.length === 0 ? 'failed' : 'pending';
      return { ok: true, value: { found: 'job', job: { id, status, started: false } } };
    },
    async retry(token, _project, job) {
      const found = owner(token);
      if (found === undefined || !found.scope.split(' ').includes('api')) return { ok: false, status: 403 };
      retried.push({ token, ...found, job });
      return { ok: true, value: 8 };
    },
    setStatus: async () => ({ ok: true, value: null }),
    close: async () => {},
  };
  return { api: api as CiApi, retried };
}
