import { coverOf } from './covering.ts';
import { freezeHold, freezeOf } from './freezing.ts';
import { type HubContext, retrying } from './hub-context.ts';
import { askingOf, releaseHold } from './release.ts';
import { closeIfEmpty, type Deciding, noteUse, settle } from './settle.ts';

/** So many in one transaction; the rest comes with the next one. */
const BATCH = 100;
/** So many released Holds are looked at; more wait for no runner. */
const MAX_PENDING = 1_000;

/**
 * Lets go what a freeze kept back and keeps back no longer, in ascending pipeline id, and takes back what was released and
 * not handed out when one began. Asks nobody and approves nothing. Answers how many Holds it moved.
 */
export async function followCalendar(context: HubContext): Promise<number> {
  const now = context.clock.now();
  const policy = await context.policy();
  const deciding = { actor: 'system', address: null, now, policy };
  // Nothing is frozen nearly always: no write is begun for that.
  const none = (await context.store.frozenHolds(1)).length === 0;
  const thawed = none ? 0 : await thaw(context, deciding);
  return policy.freezes.length === 0 ? thawed : thawed + (await freezePending(context));
}

function thaw(context: HubContext, deciding: Deciding): Promise<number> {
  return retrying(() =>
    settle(context, deciding, async (s) => {
      let moved = 0;
      for (const hold of await s.tx.frozenHolds(BATCH)) {
        const cover = await coverOf(s, await askingOf(s, hold));
        const freeze = cover === null ? null : freezeOf(s, hold, cover.approval);
        if (cover !== null && freeze !== null) {
          // The window was moved meanwhile: what people read has to be what holds.
          await freezeHold(s, hold, freeze);
          continue;
        }
        moved += 1;
        if (cover === null) {
          await s.move(hold, { type: 'thaw' }, 'hold_thawed');
          continue;
        }
        const now = await releaseHold(s, hold, cover);
        await closeIfEmpty(s, hold.review, 'approved');
        if (now.state === 'pending') await noteUse(s, cover.approval, 1);
      }
      return moved;
    }),
  );
}

async function freezePending(context: HubContext): Promise<number> {
  const now = context.clock.now();
  const policy = await context.policy();
  let moved = 0;
  for (let after = 0, seen = 0; seen < MAX_PENDING; ) {
    const page = await context.store.holds({ states: ['pending'], sight: null }, { after, limit: BATCH });
    if (page.length === 0) break;
    moved += await retrying(() =>
      settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
        let frozen = 0;
        for (const { id } of page) {
          const hold = await s.tx.hold(id);
          if (hold?.state !== 'pending') continue;
          const approval = hold.approval === null ? null : await s.tx.approval(hold.approval);
          const freeze = freezeOf(s, hold, approval);
          if (freeze === null) continue;
          await freezeHold(s, hold, freeze);
          frozen += 1;
        }
        return frozen;
      }),
    );
    after = page.at(-1)?.id ?? after;
    seen += page.length;
  }
  return moved;
}
