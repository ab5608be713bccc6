import { filesSection } from '../../domain/covered-files.ts';
import { hasSections, type Sections, type SectionsWanted, withSections } from '../../domain/sections.ts';
import type { CiJob, PayloadReading } from '../../ports/ci-server.ts';
import type { AdmitAnswer, AdmitRequest } from '../../ports/gatekeeper.ts';
import type { Parking } from './parking.ts';

type Read = Extract<PayloadReading, { ok: true }>;

/** The hub is asked once without sections, and once for each policy that comes into force meanwhile. */
const MAX_ROUNDS = 4;
/** So often what could not be read is tried again before people are asked about it as it is. */
const MAX_TRIES = 3;

type Decided = AdmitAnswer & { readonly outcome: Exclude<AdmitAnswer['outcome'], 'sections'> };
const isDecided = (answer: AdmitAnswer): answer is Decided => answer.outcome !== 'sections';

/** What the hub answered, and to what: the Configuration with all sections that the policy wants. */
export interface Asked {
  readonly answer: Decided;
  readonly sections: Sections;
  readonly digest: string;
  readonly configuration: Read['configuration'];
}

/**
 * Asks for a verdict. The policy is the hub's: where it wants more covered than the payload says, the answer is what, and the
 * same job is asked about again with it. `failures`: how often the question has failed before. What cannot be read rejects a
 * few times, to be tried again, and stands in the Configuration as unread then: people decide, and about this run alone.
 */
export async function askWithSections(
  parking: Parking,
  job: CiJob,
  read: Read,
  request: Omit<AdmitRequest, 'digest' | 'configuration'>,
  known: Sections,
  failures: number,
): Promise<Asked> {
  let sections = known;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { configuration, digest } = withSections(read, sections);
    const answer = await parking.gatekeeper.admit({ ...request, digest, configuration, covers: true });
    if (isDecided(answer)) return { answer, sections, digest, configuration };
    if (answer.sections == null) throw new Error('the hub wants sections and does not say which');
    sections = await sectionsFor(parking, job, read, answer.sections, failures);
  }
  throw new Error('the hub wants other sections each time it is asked: is its policy changing?');
}

/** Everything that the policy wants covered of a job. */
async function sectionsFor(
  parking: Parking,
  job: CiJob,
  read: Read,
  wanted: SectionsWanted,
  failures: number,
): Promise<Sections> {
  const sections = { ...(await filesOf(parking, job, read, wanted, failures)) };
  const { configuration } = withSections(read, sections);
  if (!hasSections(configuration, wanted)) throw new Error('this agent cannot cover what the policy wants');
  return sections;
}

async function filesOf(
  parking: Parking,
  job: CiJob,
  read: Read,
  { files: patterns }: SectionsWanted,
  failures: number,
): Promise<Sections> {
  if (patterns.length === 0) return {};
  const unread = (reason: string): Sections => ({ files: filesSection(patterns, { ok: false, retry: false, reason }) });
  const { sources } = read;
  if (sources === undefined || parking.ci.coveredFiles === undefined) return unread('this agent reads no repositories');
  if (sources.checkoutProblem !== null) return unread(sources.checkoutProblem);
  const found = await parking.ci.coveredFiles(job, sources, patterns);
  if (!found.ok) {
    if (found.retry && failures < MAX_TRIES) throw new Error(`files of the repository: ${found.reason}`);
    parking.log.warn({ job: job.jobId, reason: found.reason }, 'files that the policy covers could not be read');
  }
  return { files: filesSection(patterns, found) };
}
