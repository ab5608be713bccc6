import type { ExecutorDriver } from '../../ports/executor.ts';
import type { Receipts } from '../../ports/receipts.ts';

/**
 * Removes everything of a session. A session that could have run a stage is over for good; one whose prepare failed may
 * try again, since gitlab-runner cleans up between its three attempts.
 */
export async function cleanUpJob(driver: ExecutorDriver, receipts: Receipts | null, session: string): Promise<void> {
  let prepared = true;
  try {
    prepared = (await driver.cleanup(session)).prepared;
  } finally {
    // What cannot be looked at may have run.
    if (prepared) await receipts?.finish(session);
  }
}
