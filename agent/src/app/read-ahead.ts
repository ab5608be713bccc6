import type { Hold } from '../domain/hold.ts';
import type { Subject } from '../domain/subject.ts';
import type { StoreReader } from '../ports/store.ts';

/** Of so few Holds it is no less to ask for each by itself. */
const MANY = 3;
/** A Configuration that is longer is read when it is its turn: a hundred of these are 6 MiB. */
const MAX_CHARS = 64 * 1024;

/**
 * The same reader, for comparing many Holds of one Subject with an Approval: what each of them is asked for is asked for once, and in one
 * question. Only for as long as nothing is written.
 */
export async function readAhead(
  tx: StoreReader,
  {
    subject,
    holds,
    digests,
    now,
  }: { subject: Subject; holds: readonly Hold[]; digests: readonly string[]; now: number },
): Promise<StoreReader> {
  if (holds.length < MANY) return tx;
  const asked = new Set([...holds.map(({ digest }) => digest), ...digests]);
  const facts = await tx.newestFacts(holds.map(({ id }) => id));
  const denied = await tx.deniedAmong(subject, [...asked], now);
  const texts = await tx.configurationsOf([...asked], MAX_CHARS);
  const isSubject = ({ instance, projectId, job }: Subject): boolean =>
    instance === subject.instance && projectId === subject.projectId && job === subject.job;
  const known: Pick<StoreReader, 'facts' | 'denial' | 'configuration'> = {
    async facts(hold, jobId) {
      const newest = facts.get(hold);
      return newest?.jobId === jobId ? newest.facts : tx.facts(hold, jobId);
    },
    async denial(of, digest, at) {
      const isFree = at === now && isSubject(of) && asked.has(digest) && !denied.has(digest);
      return isFree ? null : tx.denial(of, digest, at);
    },
    configuration: async (digest) => texts.get(digest) ?? tx.configuration(digest),
  };
  return Object.assign(Object.create(tx) as StoreReader, known);
}
