/**
 * States of a Hold.
 *
 *   waiting_for_approval ── all gates pass ──► pending ── handed out ──► running ──► success | failed | canceled
 *          │  ▲                                  │ revoked, quorum lost ─► waiting_for_approval
 *          │  └──────────────────────────────────┘ undelivered: running ─► pending
 *          └─► rejected | expired | canceled
 */
export const HOLD_STATES = [
  'waiting_for_approval',
  'pending',
  'running',
  'success',
  'failed',
  'canceled',
  'rejected',
  'expired',
] as const;
export type HoldState = (typeof HOLD_STATES)[number];
