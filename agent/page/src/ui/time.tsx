import { absoluteText, now, relativeText } from '../lib/times.ts';

/** A moment as time from now; pointing at it gives date, time and zone of the reader. `isDue`: something ends then. */
export function Time({ at, isDue = false }: { readonly at: string; readonly isDue?: boolean }) {
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={absoluteText(ms)}>
      {/* What has just been read is younger than the last tick. */}
      {relativeText(ms, Math.max(now.value, Date.now()), isDue)}
    </time>
  );
}
