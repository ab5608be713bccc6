import type { Approval } from '../domain/approval.ts';
import { type Brief, briefOf } from '../domain/configuration-brief.ts';
import type { Person } from '../domain/principal.ts';
import type { HubContext } from './hub-context.ts';
import { parsedConfiguration } from './nearest.ts';
import { peopleTold } from './people-told.ts';

/** Longer texts are not read for a list: a page of a hundred of them must not keep the hub from its jobs. */
const MAX_BRIEFED_CHARS = 128 * 1024;

/** What a list of Approvals tells beside the Approvals themselves. */
export interface ApprovalsTold {
  readonly runners: ReadonlyMap<number, readonly string[]>;
  /** By digest; none for a Configuration that is too long to be read for a list. */
  readonly briefs: ReadonlyMap<string, Brief>;
  /** Those who revoked, as they are known now. */
  readonly people: readonly Person[];
}

/** Reads it for one page of Approvals at once. */
export async function tellApprovals(
  { store, directory }: Pick<HubContext, 'store' | 'directory'>,
  approvals: readonly Approval[],
): Promise<ApprovalsTold> {
  const revokers = new Set(approvals.flatMap(({ revoked }) => (revoked === null ? [] : [revoked.by])));
  const texts = await store.configurationsOf([...new Set(approvals.map(({ digest }) => digest))], MAX_BRIEFED_CHARS);
  const briefs = new Map<string, Brief>();
  for (const [digest, text] of texts) {
    const configuration = parsedConfiguration(text);
    if (configuration !== null) briefs.set(digest, briefOf(configuration));
  }
  return {
    runners: await store.runnersOf(approvals.map(({ id }) => id)),
    briefs,
    people: revokers.size === 0 ? [] : await peopleTold(directory, [], [], [...revokers]),
  };
}
