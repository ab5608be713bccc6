import type { Hold } from '../domain/hold.ts';
import { coverOf } from './covering.ts';
import { freezeHold, freezeOf } from './freezing.ts';
import { type HubContext, retrying } from './hub-context.ts';
import { askingOf, releaseHold } from './release.ts';
import { closeIfEmpty, noteUse, type Settlement, settle } from './settle.ts';

/** So many in one transaction. */
const BATCH = 100;
/** So many released Holds are looked at; what waits for no runner beyond them is looked at when it is handed over. */
const MAX_PENDING = 1_000;
/** So many frozen ones; more is a year of deployments, and the oldest go first. */
const MAX_FROZEN = 100_000;

/**
 * Lets go what a freeze kept back and keeps back no longer, in ascending pipeline id, and takes back what was released and
 * not handed out when one began. Asks nobody and approves nothing. Answers how many Holds it moved.
 */
export async function followCalendar(context: HubContext): Promise<number> {
  const { store } = context;
  const { freezes } = await context.policy();
  const frozen = await each(context, MAX_FROZEN, (page) => store.frozenHolds(page), thaw);
  if (freezes.length === 0) return frozen;
  const pending = { states: ['pending'], sight: null } as const;
  return frozen + (await each(context, MAX_PENDING, (page) => store.holds(pending, page), takeBack));
}

/** Looks at every Hold of a list, a page at a time: one that stays as it is must not hide those behind it. */
async function each(
  context: HubContext,
  most: number,
  list: (page: { readonly after: number; readonly limit: number }) => Promise<readonly Hold[]>,
  move: (s: Settlement, hold: Hold) => Promise<boolean>,
): Promise<number> {
  let moved = 0;
  for (let after = 0, seen = 0; seen < most; seen += BATCH) {
    const page = await list({ after, limit: BATCH });
    // Nothing is frozen nearly always: no write is begun for that.
    if (page.length === 0) break;
    after = page.at(-1)!.id;
    const inOrder = [...page].sort((a, b) => (a.pipelineId ?? 0) - (b.pipelineId ?? 0) || a.id - b.id);
    const policy = await context.policy();
    moved += await retrying(() =>
      settle(context, { actor: 'system', address: null, now: context.clock.now(), policy }, async (s) => {
        let count = 0;
        for (const { id } of inOrder) {
          const hold = await s.tx.hold(id);
          if (hold !== null && (await move(s, hold))) count += 1;
        }
        return count;
      }),
    );
  }
  return moved;
}

async function thaw(s: Settlement, hold: Hold): Promise<boolean> {
  if (hold.state !== 'waiting_for_approval' || hold.frozenUntil === null) return false;
  const cover = await coverOf(s, await askingOf(s, hold));
  const freeze = cover === null ? null : freezeOf(s, hold, cover.approval);
  if (cover !== null && freeze !== null) {
    // The window was moved meanwhile: what people read has to be what holds.
    await freezeHold(s, hold, freeze);
    return false;
  }
  if (cover === null) {
    await s.move(hold, { type: 'thaw' }, 'hold_thawed');
    return true;
  }
  const now = await releaseHold(s, hold, cover);
  await closeIfEmpty(s, hold.review, 'approved');
  if (now.state === 'pending') await noteUse(s, cover.approval, 1);
  return true;
}

async function takeBack(s: Settlement, hold: Hold): Promise<boolean> {
  if (hold.state !== 'pending') return false;
  const approval = hold.approval === null ? null : await s.tx.approval(hold.approval);
  const freeze = freezeOf(s, hold, approval);
  if (freeze === null) return false;
  await freezeHold(s, hold, freeze);
  return true;
}
