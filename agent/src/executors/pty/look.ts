import type { PtyLook } from '../../domain/doctor/executor-look.ts';
import { ExecutorFailure } from '../failure.ts';
import { fenceHost, seeFence } from './fence.ts';
import type { PtyOptions } from './options.ts';
import { jobUsers } from './users.ts';

type Looked = Omit<PtyOptions, 'version' | 'workDir' | 'graceMs'>;

/** Why every job would be refused, or some: what `prepare` says to this user of gitlab-runner, before there is a job. */
export async function lookAtPty(options: Looked, runnerUid: number): Promise<PtyLook> {
  // Whose user somebody may become is another question to whoever is not root.
  if (process.getuid!() !== 0) return { outcome: 'closed' };
  const refusals: string[] = [];
  const trusted: string[] = [];
  const told = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ExecutorFailure)) throw error;
      refusals.push(error.message);
    }
  };
  for (const word of options.users)
    await told(async () => {
      const users = await jobUsers({ ...options, users: [word] }, runnerUid);
      if (users.some(({ alone }) => !alone)) trusted.push(word);
    });
  const host = fenceHost();
  await told(() => seeFence({ ...host, systemd: host.systemd && runnerUid === 0 }, options));
  return { outcome: 'looked', refusals, trusted };
}
