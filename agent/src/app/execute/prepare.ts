import { BY_NAME } from '../../domain/pinned-images.ts';
import type { ExecutorCall, ExecutorDriver, ExecutorResult, ExecutorSession, Leftover } from '../../ports/executor.ts';
import type { Receipts } from '../../ports/receipts.ts';

/** What a prepare is done with. */
export interface PrepareParts {
  readonly driver: ExecutorDriver;
  /** Null only where the configuration says `receipts: off`. */
  readonly receipts: Receipts | null;
  isOver(leftover: Leftover): boolean;
}

const failure = (words: string): ExecutorResult => ({ kind: 'system_failure', words });

/**
 * Where a receipt has images, it has all that the job names, and the names are those that were approved: one that is missing has
 * another name here than the gate could work out.
 */
function unpinned(session: ExecutorSession): string | null {
  if (Object.keys(session.images).length === 0) return null;
  const { image, services } = session.job;
  const wanted = [...(image === null ? [] : [image]), ...services].map(({ reference }) => reference);
  return wanted.find((reference) => !Object.hasOwn(session.images, reference)) ?? null;
}

/** Asks the gate, then has the driver make what the job needs (T25, T39); nothing of the job is touched before the answer. */
export async function prepareJob(
  { driver, receipts, isOver }: PrepareParts,
  session: Omit<ExecutorSession, 'images'>,
  jobResponse: Uint8Array,
  call: ExecutorCall,
): Promise<ExecutorResult> {
  const say = (line: string) => call.output.err(Buffer.from(`holdpoint: ${line}\n`));
  try {
    for (const { session: left } of await driver.sweep(isOver))
      await say(`removed what job ${left.split('-')[0]} had left here`);
  } catch (error) {
    // What could not be removed is no danger to this job: it has names and places of its own.
    await say(`what earlier jobs have left could not be removed: ${(error as Error).message}`);
  }
  let images: Readonly<Record<string, string>> = {};
  if (receipts === null) await say('receipts are off: nobody has asked whether this job came through the gate');
  else {
    const answer = await receipts.spend(jobResponse, session.id, call.cancel);
    if (call.cancel.aborted) return { kind: 'cancelled' };
    if (!answer.ok) return failure(answer.words);
    const { receipt } = answer;
    if (receipt.jobId !== session.job.id)
      return failure(`the receipt is for job ${receipt.jobId}, this is job ${session.job.id}: it must not run`);
    images = receipt.images;
    await say(`job ${receipt.jobId} was let through for ${receipt.runner} with configuration ${receipt.digest}`);
  }
  const whole = { ...session, images };
  const missing = unpinned(whole);
  if (missing !== null)
    return failure(
      `image ${missing} is not among those that were looked at when this job was approved: a hidden value, or one that this host sets, stands in its name; write the name out, and run the job again`,
    );
  const digests = Object.entries(images).filter(([, digest]) => digest !== BY_NAME);
  for (const [reference, digest] of Object.entries(images))
    if (digest === BY_NAME)
      await say(
        `image ${reference} is run by its name: this one run was approved although nobody could tell what it stands for`,
      );
  return driver.prepare({ ...whole, images: Object.fromEntries(digests) }, call);
}
