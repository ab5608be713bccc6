import type { Delivery, DeliveryState, PlannedDelivery } from '../domain/notify/delivery.ts';
import type { Notice } from '../domain/notify/notice.ts';
import type { Page } from './listing.ts';

/** One recipient of one channel. */
export type OutboxTarget = Pick<Delivery, 'channel' | 'target'>;
/** What the outbox knows of one recipient of one channel. */
export interface OutboxLoad {
  /** When the next of what is collected for them is due (epoch ms); null: nothing is collected. */
  readonly digestDue: number | null;
  /** Deliveries that this person has caused since then. */
  readonly ofCause: number;
  readonly waiting: number;
}
/** The whole outbox in figures. */
export interface OutboxFigures {
  readonly waiting: number;
  readonly dead: number;
  /** Since when the oldest that is due waits (epoch ms), null when nothing is due. */
  readonly oldestDue: number | null;
}

/** Reads of what people are to be told. */
export interface NoticeReads {
  /** The last row of the audit that notices were made of; null before the first. */
  noticeCursor(): Promise<number | null>;
  /** True when a notice with this key was made. */
  isNoted(key: string): Promise<boolean>;
  delivery(id: number): Promise<Delivery | null>;
  /** In ascending id; with `newest` from the end, and `after` (0: none) is an id that they are below of. */
  deliveries(
    filter: { readonly states?: readonly DeliveryState[]; readonly channel?: string },
    page: Page & { readonly newest?: boolean },
  ): Promise<readonly Delivery[]>;
  /**
   * Recipients with something that is due, whose oldest has waited longest first, at most `limit`. One that is being sent to, or
   * whose last try has failed, is none until that is over: nothing overtakes what is tried again.
   */
  dueTargets(now: number, limit: number): Promise<readonly OutboxTarget[]>;
  /** Waiting deliveries of one recipient that are due by then, in ascending id; none while it is no target. */
  dueFor(target: OutboxTarget, now: number, limit: number): Promise<readonly Delivery[]>;
  outboxLoad(
    of: { readonly channel: string; readonly target: string; readonly cause: number | null },
    now: number,
    since: number,
  ): Promise<OutboxLoad>;
  /** When messages (many deliveries may be one) went to this recipient since then, oldest first. */
  messagesSince(channel: string, target: string, since: number): Promise<readonly number[]>;
  outboxFigures(now: number): Promise<OutboxFigures>;
}

/** Writes of what people are to be told. */
export interface NoticeWrites {
  putNoticeCursor(seq: number): Promise<void>;
  /** Id of the notice; null where one with this key stands already. */
  insertNotice(notice: Notice): Promise<number | null>;
  insertDelivery(
    delivery: PlannedDelivery & {
      readonly notice: number;
      readonly cause: number | null;
      readonly createdAt: number;
      readonly state: DeliveryState;
      readonly lastError: string | null;
    },
  ): Promise<number>;
  /** What may change: its state, when it is due, its tries, what went wrong, when it was sent. */
  updateDelivery(delivery: Delivery): Promise<void>;
}
