/** The first wait before connecting again, and the longest. */
const BASE_MS = 250;
const CAP_MS = 30_000;

/** How long to wait before the n-th attempt after a drop (n from 0): exponential, capped, full jitter, so that agents do not come back as one. */
export function reconnectDelayMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16)));
}
