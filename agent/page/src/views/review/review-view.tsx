import { Link } from 'wouter-preact';
import type { HoldView, ReviewView as ReviewBody } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { Pending } from '../../ui/notice.tsx';
import { HoldPage } from '../hold/hold-page.tsx';
import { AskView } from './ask-view.tsx';

/** The newest Hold that waits for the Review, else its newest at all. */
async function holdOf(id: number, signal: AbortSignal): Promise<{ review: ReviewBody; hold: number | null }> {
  const review = await ask<ReviewBody>('GET', `reviews/${id}`, undefined, signal);
  for (const hold of review.holds.toReversed().slice(0, 20)) {
    const found = await ask<HoldView>('GET', `holds/${hold}`, undefined, signal);
    if (found.state === 'waiting_for_approval') return { review, hold };
  }
  return { review, hold: review.holds.at(-1) ?? null };
}

/** One Review: its newest Hold as people decide on it, and the others that wait for the same answer. */
export function ReviewView({ id }: { readonly id: number }) {
  const found = useLoad(`review ${id}`, (signal) => holdOf(id, signal));
  if (found.value === null) return <Pending what={`review ${id}`} {...found} />;
  const { review, hold } = found.value;
  if (hold === null) return <AskView id={id} />;
  const others = review.holds.filter((other) => other !== hold);
  return (
    <HoldPage id={hold}>
      {others.length > 0 && (
        <details class="box">
          <summary>
            {others.length} more {others.length === 1 ? 'job hangs' : 'jobs hang'} on the same answer
          </summary>
          <ul class="inline-list">
            {others.slice(-200).map((other) => (
              <li key={other}>
                <Link href={pathOf('hold', other)}>hold {other}</Link>
              </li>
            ))}
          </ul>
        </details>
      )}
    </HoldPage>
  );
}
