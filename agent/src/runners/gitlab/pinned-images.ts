import { loginFor, readReference } from '../../domain/image-reference.ts';
import { MAX_PINNED_IMAGES, type PinnedImage } from '../../domain/pinned-images.ts';
import type { JobSources } from '../../ports/ci-server.ts';
import type { Registries } from '../../ports/registry.ts';

/** Questions at once, of one job. */
const AT_ONCE = 8;

/** What the images of a job stand for; rejects where `mayRetry` and another try may tell more. */
export async function pinnedImages(
  registries: Registries | null,
  { images, registries: credentials }: JobSources,
  allowed: readonly string[],
  mayRetry: boolean,
): Promise<readonly PinnedImage[]> {
  const one = async ({ name, reference, unresolved }: JobSources['images'][number]): Promise<PinnedImage> => {
    if (reference === null) return { reference: name, unresolved: unresolved ?? 'its name cannot be told' };
    const image = readReference(reference);
    if (image === null) return { reference, unresolved: 'it is no name of an image' };
    if (image.digest !== null) return { reference, digest: image.digest };
    if (registries === null) return { reference, unresolved: 'this agent asks no registries' };
    const credential = loginFor(credentials, image);
    const answer = await registries.resolve({ image, credential, allowed });
    if (answer.ok) return { reference, digest: answer.digest };
    if (answer.retry && mayRetry) throw new Error(`image ${reference}: ${answer.reason}`);
    return { reference, unresolved: answer.reason };
  };
  const distinct = [...new Map(images.map((image) => [image.reference ?? image.name, image])).values()];
  const found: PinnedImage[] = [];
  for (let from = 0; from < Math.min(distinct.length, MAX_PINNED_IMAGES); from += AT_ONCE)
    found.push(...(await Promise.all(distinct.slice(from, from + AT_ONCE).map(one))));
  // One that is left out stands for what is left out: it must not pass unseen.
  const [last] = found.slice(-1);
  if (distinct.length <= MAX_PINNED_IMAGES || last === undefined) return found;
  const tooMany = `the job names more than ${MAX_PINNED_IMAGES} images`;
  return [...found.slice(0, -1), { reference: last.reference, unresolved: tooMany }];
}
