import { absoluteText, now, relativeText } from '../lib/times.ts';

/** A moment as time from now; pointing at it gives date, time and zone of the reader. */
export function Time({ at }: { readonly at: string }) {
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={absoluteText(ms)}>
      {relativeText(ms, now.value)}
    </time>
  );
}
