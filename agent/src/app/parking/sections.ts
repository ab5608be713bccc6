import { filesSection } from '../../domain/covered-files.ts';
import type { Facts } from '../../domain/facts.ts';
import { imagesSection, type PinMode, type PinnedImage } from '../../domain/pinned-images.ts';
import { type Sections, type SectionsWanted, saysAll, withSections } from '../../domain/sections.ts';
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
  readonly facts: Facts;
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
  let { facts } = request;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { configuration, digest } = withSections(read, sections);
    const answer = await parking.gatekeeper.admit({ ...request, facts, digest, configuration, covers: true });
    if (isDecided(answer)) return { answer, sections, digest, configuration, facts };
    const { sections: wanted } = answer;
    if (wanted == null) throw new Error('the hub wants sections and does not say which');
    const files = await filesOf(parking, job, read, wanted, failures);
    const images = wanted.images === 'off' ? null : await imagesOf(parking, read, wanted, failures);
    sections = {
      ...files,
      ...(wanted.images === 'enforce' && images !== null ? { images: imagesSection(images) } : {}),
    };
    facts = images === null ? request.facts : withImages(request.facts, images, wanted.images);
    if (!saysAll({ configuration: withSections(read, sections).configuration, facts }, wanted))
      throw new Error('this agent cannot cover what the policy wants');
  }
  throw new Error('the hub wants other sections each time it is asked: is its policy changing?');
}

/** The facts with what images stood for; where that is only noted, people see it among what their approval does not cover. */
function withImages(facts: Facts, images: readonly PinnedImage[], mode: PinMode): Facts {
  const noted = images.map((image) => ({
    reference: image.reference,
    digest: 'digest' in image ? image.digest : null,
  }));
  if (mode === 'enforce') return { ...facts, images: noted };
  const rows = noted.map(({ reference, digest }) => ({
    path: `images[${JSON.stringify(reference)}]`,
    value: digest,
    reason: digest === null ? 'nobody could tell what it stands for' : 'what it stood for: noted, and not approved',
  }));
  return { ...facts, images: noted, notCovered: [...facts.notCovered, ...rows] };
}

async function imagesOf(
  parking: Parking,
  { sources }: Read,
  { registries, images: mode }: SectionsWanted,
  failures: number,
): Promise<readonly PinnedImage[]> {
  if (sources === undefined || parking.ci.pinnedImages === undefined)
    throw new Error('this agent cannot tell what images stand for');
  // What is only noted keeps no job waiting.
  return parking.ci.pinnedImages(sources, registries, mode === 'enforce' && failures < MAX_TRIES);
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
