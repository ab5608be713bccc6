import type { ClaimedPerson } from '../domain/claims.ts';
import { isIdle } from '../domain/session.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoreReader } from '../ports/store.ts';

/**
 * People who are signed in at this moment, with what the identity provider said of their groups when they signed in. It is
 * worth nothing a moment after: whoever signs out, or is idle, belongs to nothing any more (T19). The newest word counts.
 */
export async function claimedPeople(
  store: Pick<StoreReader, 'claimedSessions'>,
  clock: Clock,
): Promise<readonly ClaimedPerson[]> {
  const now = clock.now();
  return (await store.claimedSessions(now)).flatMap(({ token, claimed }) =>
    token.owner === null || isIdle(token, now) ? [] : [{ ...claimed, id: token.owner.id }],
  );
}
