import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noticeOf } from '../../../agent/src/domain/notify/notice.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import type { StoreUnderTest } from './store-contract.ts';

const NOW = 1_000_000;
/** What people were told before this time may go. */
const over = (notifications: number) => ({
  now: NOW,
  ran: null,
  notRun: null,
  ended: 0,
  notifications,
  sightings: 0,
  recordings: null,
});

/** What every store must do with what people are told. */
export function noticesContract({ name, create }: StoreUnderTest): void {
  describe(`what people are told, in the store on ${name}`, () => {
    let database: Awaited<ReturnType<StoreUnderTest['create']>>;
    let store: Store;
    beforeEach(async () => {
      database = await create();
      store = await database.open();
    });
    afterEach(async () => {
      await store.close();
      await database.remove();
    });

    let made = 0;
    const put = (
      target: string,
      more: { readonly dueAt?: number; readonly cause?: number; readonly channel?: string } = {},
    ) =>
      store.write(async (tx) => {
        made += 1;
        const notice = await tx.insertNotice(noticeOf(`key-${made}`, 'review_opened', NOW));
        const { channel = 'mail', dueAt = NOW, cause = null } = more;
        const own = { notice: notice!, channel, target, person: 7, cause, dueAt, createdAt: NOW };
        return tx.insertDelivery({ ...own, state: 'waiting', lastError: null });
      });
    const change = async (id: number, more: object) => {
      const delivery = (await store.delivery(id))!;
      await store.write((tx) => tx.updateDelivery({ ...delivery, ...more }));
    };

    it('makes a notice of one key once, and knows how far it has read', async () => {
      const notice = noticeOf('audit-1', 'hold_parked', NOW, { job: 'deploy', helpers: ['maria'] });
      expect(await store.write((tx) => tx.insertNotice(notice))).not.toBeNull();
      expect(await store.write((tx) => tx.insertNotice(notice))).toBeNull();
      expect([await store.isNoted('audit-1'), await store.isNoted('audit-2')]).toEqual([true, false]);
      expect(await store.noticeCursor()).toBeNull();
      for (const seq of [5, 9]) await store.write((tx) => tx.putNoticeCursor(seq));
      expect(await store.noticeCursor()).toBe(9);
    });

    it('gives back what was put, newest first or last', async () => {
      const [first, second] = [await put('a@example.com', { cause: 3 }), await put('b@example.com')];
      expect(await store.delivery(first)).toMatchObject({
        ...{ channel: 'mail', target: 'a@example.com', person: 7, cause: 3, state: 'waiting', tries: 0 },
        notice: { event: 'review_opened', severity: 'action' },
      });
      const ids = async (page: { after: number; limit: number; newest?: boolean }) =>
        (await store.deliveries({}, page)).map(({ id }) => id);
      expect(await ids({ after: 0, limit: 9 })).toEqual([first, second]);
      expect(await ids({ after: 0, limit: 1, newest: true })).toEqual([second]);
      expect(await ids({ after: second, limit: 9, newest: true })).toEqual([first]);
      expect(await store.deliveries({ states: ['dead'] }, { after: 0, limit: 9 })).toEqual([]);
    });

    it('lets nothing overtake what is tried again or being sent, and holds up nobody else', async () => {
      const [first] = [await put('a'), await put('a'), await put('b'), await put('c', { dueAt: NOW + 1 })];
      expect((await store.dueTargets(NOW, 9)).map(({ target }) => target)).toEqual(['a', 'b']);
      await change(first, { tries: 1, dueAt: NOW + 10 });
      expect((await store.dueTargets(NOW, 9)).map(({ target }) => target)).toEqual(['b']);
      expect(await store.dueFor({ channel: 'mail', target: 'a' }, NOW, 9)).toEqual([]);
      expect((await store.dueFor({ channel: 'mail', target: 'a' }, NOW + 10, 9)).length).toBe(2);
      // Held back on purpose, not tried: that holds up nothing.
      await put('b', { dueAt: NOW + 50 });
      expect((await store.dueTargets(NOW, 9)).map(({ target }) => target)).toEqual(['b']);
    });

    it('counts what one person has caused, what is collected, and what went out', async () => {
      const of = { channel: 'mail', target: 'a', cause: 3 };
      const [first] = [await put('a', { cause: 3 }), await put('a', { cause: 3, dueAt: NOW + 60 }), await put('a')];
      await put('b', { cause: 3 });
      expect(await store.outboxLoad(of, NOW, NOW - 1)).toEqual({ waiting: 3, digestDue: NOW + 60, ofCause: 2 });
      expect((await store.outboxLoad(of, NOW, NOW)).ofCause).toBe(0);
      await change(first, { state: 'sent', sentAt: NOW + 5 });
      expect(await store.messagesSince('mail', 'a', NOW)).toEqual([NOW + 5]);
      expect(await store.messagesSince('mail', 'a', NOW + 5)).toEqual([]);
      expect(await store.outboxFigures(NOW)).toEqual({ waiting: 3, dead: 0, oldestDue: NOW });
    });

    it('forgets what is over and nothing that waits', async () => {
      const [sent, dead, waiting] = [await put('a'), await put('a'), await put('a')];
      await change(sent, { state: 'sent', sentAt: NOW });
      await change(dead, { state: 'dead' });
      await store.write((tx) => tx.dropEnded('notifications', over(NOW), 99));
      expect(await store.delivery(sent)).not.toBeNull();
      await store.write((tx) => tx.dropEnded('notifications', over(NOW + 1), 99));
      expect([await store.delivery(sent), await store.delivery(dead)]).toEqual([null, null]);
      expect((await store.delivery(waiting))?.state).toBe('waiting');
    });
  });
}
