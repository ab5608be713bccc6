import type { ExecutorSession, Leftover } from '../../ports/executor.ts';

const PREFIX = 'io.holdpoint.';
/** On everything that belongs to a session; caches have none. */
export const SESSION = `${PREFIX}session`;
export const ROLE = `${PREFIX}role`;
const JOB = `${PREFIX}job`;
const OWNER = `${PREFIX}owner`;
const ENDS = `${PREFIX}ends-before`;

/** What a container is for. */
export type Role = 'holder' | 'job' | 'helper' | 'service' | 'builds' | 'network';

/** Names of a session's parts, the same for each attempt. */
export function nameOf(session: string, role: Role, index = 0): string {
  return `holdpoint-${session}-${role}${role === 'service' ? `-${index}` : ''}`;
}

/** Whether something that is labelled as a part of this session has the name of one. */
export function isNamed(session: string | undefined, name: string): boolean {
  return session !== undefined && /^[0-9]+-[0-9a-f]+$/.test(session) && name.startsWith(`holdpoint-${session}-`);
}

/** Labels by which a later process finds what belongs to a session, and knows whether it is over. */
export function labelsOf({ id, job, owner, endsBefore }: ExecutorSession, role: Role): Record<string, string> {
  const { pid, startedAt, boot, namespace } = owner;
  return {
    [SESSION]: id,
    [ROLE]: role,
    [JOB]: String(job.id),
    [OWNER]: `${pid} ${startedAt} ${boot} ${namespace}`,
    [ENDS]: String(endsBefore),
  };
}

/** The session that something with these labels belongs to; null where it is none of ours. */
export function leftoverOf(labels: Readonly<Record<string, string>> | undefined | null): Leftover | null {
  const session = labels?.[SESSION];
  if (session === undefined) return null;
  const [pid = '', startedAt = '', boot = '', namespace = ''] = (labels?.[OWNER] ?? '').split(' ');
  const ends = Number(labels?.[ENDS] ?? Number.NaN);
  const known = /^\d+$/.test(pid) && /^\d+$/.test(startedAt) && boot !== '' && namespace !== '';
  return {
    session,
    owner: known ? { pid: Number(pid), startedAt: Number(startedAt), boot, namespace } : null,
    endsBefore: Number.isSafeInteger(ends) ? ends : null,
  };
}
