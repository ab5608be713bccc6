/** Tables of what people are told, as Kysely sees them. Times are epoch ms, structures JSON text. */
import type { Generated } from 'kysely';

/** One thing that happened. */
export interface NoticeTable {
  id: Generated<number>;
  key: string;
  event: string;
  at: number;
  content: string;
}
/** What of it goes to one recipient. */
export interface DeliveryTable {
  id: Generated<number>;
  notice: number;
  channel: string;
  target: string;
  person_id: number | null;
  cause: number | null;
  state: string;
  created_at: number;
  due_at: number;
  tries: Generated<number>;
  last_error: string | null;
  sent_at: number | null;
}
/** All of them by name. */
export interface NoticeSchema {
  notices: NoticeTable;
  deliveries: DeliveryTable;
  notice_cursor: { one: number; seq: number };
}
