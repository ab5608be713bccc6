import { type FilesRead, filesSection } from '../domain/covered-files.ts';
import type { Facts } from '../domain/facts.ts';
import { readReference } from '../domain/image-reference.ts';
import type { JsonObject } from '../domain/json.ts';
import { imagesSection, type PinnedImage } from '../domain/pinned-images.ts';
import { effectivePolicy, type Policy } from '../domain/policy.ts';
import { printable } from '../domain/printable.ts';
import { type Sections, sectionsWanted } from '../domain/sections.ts';
import { type FileIo, FileProblem, readOrProblem } from './payload-files.ts';

/** Options that say where what a policy wants covered is to be had. */
export interface SectionOptions {
  readonly policy?: string;
  /** A clone of the repository that has the commit. */
  readonly filesFrom?: string;
  /** `REFERENCE=sha256:…`, one each. */
  readonly image?: readonly string[];
}
/** What of a reading it takes. */
export interface SectionReading {
  readonly facts: Facts;
  readonly sources: {
    readonly commit: string;
    readonly checkoutProblem: string | null;
    readonly images: readonly {
      readonly name: string;
      readonly reference: string | null;
      readonly unresolved?: string;
    }[];
    readonly holdsSecret: (text: string) => boolean;
  };
}
/** What of the rest of the program it needs. */
export interface SectionParts {
  readonly readPolicy: (text: string, name: string) => Policy;
  readonly filesIn: (folder: string, commit: string, patterns: readonly string[]) => Promise<FilesRead>;
}

/** The sections that a policy wants of a payload, as the agent would write them. Throws a FileProblem that says what is missing. */
export async function sectionsOfPayload(
  file: string,
  { facts, sources }: SectionReading,
  options: SectionOptions,
  io: FileIo,
  parts: SectionParts,
): Promise<Sections> {
  if (options.policy === undefined) return {};
  const text = new TextDecoder().decode(await readOrProblem(io, options.policy));
  const { project, job, ref, environment } = facts;
  const wanted = sectionsWanted(
    effectivePolicy(parts.readPolicy(text, options.policy), {
      ...{ projectId: project.id, projectPath: project.path, job: job.name },
      ...{ ref: ref.full, refProtected: ref.protected, environment: environment?.name ?? null },
    }),
  );
  const files = wanted.files.length === 0 ? {} : await filesOf(file, sources, wanted.files, options, parts);
  return wanted.images === 'enforce' ? { ...files, images: imagesOf(file, sources, options.image ?? []) } : files;
}

async function filesOf(
  file: string,
  { commit, checkoutProblem, holdsSecret }: SectionReading['sources'],
  patterns: readonly string[],
  { policy, filesFrom }: SectionOptions,
  { filesIn }: SectionParts,
): Promise<Sections> {
  if (checkoutProblem !== null)
    return { files: filesSection(patterns, { ok: false, retry: false, reason: checkoutProblem }) };
  if (filesFrom === undefined)
    throw new FileProblem(
      'bad_input',
      `${printable(file)}: ${printable(policy ?? '')} covers files of the repository for this job; give a clone that has commit ${printable(commit)} with --files-from DIR`,
    );
  const found = await filesIn(filesFrom, commit, patterns);
  if (!found.ok)
    throw new FileProblem('bad_input', `${printable(filesFrom)}: commit ${printable(commit)}: ${found.reason}`);
  const shown = found.files.map((one) =>
    one.kind === 'file' && one.text !== null && holdsSecret(one.text) ? { ...one, text: null } : one,
  );
  return { files: filesSection(patterns, { ok: true, files: shown }) };
}

function imagesOf(file: string, { images }: SectionReading['sources'], given: readonly string[]): JsonObject {
  const told = new Map(
    given.map((pair) => [pair.slice(0, pair.lastIndexOf('=')), pair.slice(pair.lastIndexOf('=') + 1)]),
  );
  const pinned = images.map(({ name, reference, unresolved }): PinnedImage => {
    if (reference === null) return { reference: name, unresolved: unresolved ?? 'its name cannot be told' };
    const image = readReference(reference);
    if (image === null) return { reference, unresolved: 'it is no name of an image' };
    const digest = image.digest ?? told.get(reference);
    if (digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest)) return { reference, digest };
    throw new FileProblem(
      'bad_input',
      `${printable(file)}: the policy pins what ${printable(reference)} stands for; give it with --image ${printable(reference)}=sha256:…`,
    );
  });
  return imagesSection(pinned);
}
