import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { ask } from '../../lib/ask.ts';
import { onLive } from '../../lib/live.ts';
import { type Loaded, useLoad } from '../../lib/load.ts';
import { say } from '../../lib/say.ts';
import { changedSince } from '../review/since.ts';

/** A Hold and what stands behind it. */
export interface HoldFound {
  readonly hold: HoldDetail;
  readonly background: BackgroundView;
}

/** A Hold as it was when it was read, and whether it has become another since. */
export interface FollowedHold extends Loaded<HoldFound> {
  /** What has changed since it was read, in words; empty while nothing has. */
  readonly changes: readonly string[];
}

async function read(id: number, signal: AbortSignal): Promise<HoldFound> {
  const [hold, background] = await Promise.all([
    ask<HoldDetail>('GET', `holds/${id}`, undefined, signal),
    ask<BackgroundView>('GET', `holds/${id}/background`, undefined, signal),
  ]);
  return { hold, background };
}

/**
 * Reads a Hold and follows it: what is on the screen stays as it is, because somebody may be about to decide on it, and
 * what has changed meanwhile is told beside it (T13).
 */
export function useHold(id: number): FollowedHold {
  const loaded = useLoad(`hold ${id}`, (signal) => read(id, signal));
  const [changes, setChanges] = useState<{ readonly of: HoldFound | null; readonly words: readonly string[] }>({
    of: null,
    words: [],
  });
  const shown = useRef(loaded.value);
  shown.current = loaded.value;
  const look = useCallback(async (): Promise<void> => {
    const of = shown.current;
    if (of === null) return;
    const fresh = await ask<HoldDetail>('GET', `holds/${id}`);
    const words = changedSince(of.hold, fresh);
    if (shown.current !== of || words.length === 0) return;
    setChanges({ of, words });
    say(`This hold has changed: ${words.join('; ')}`);
  }, [id]);
  useEffect(
    () =>
      onLive((event) => {
        const review = shown.current?.hold.review ?? null;
        const concerns =
          event.type === 'all' ||
          (event.type === 'hold' && event.id === id) ||
          (event.type === 'review' && event.id === review) ||
          event.type === 'approval';
        // What cannot be read now is read with the next event, or when the line is open again.
        if (concerns) void look().catch(() => {});
      }),
    [id, look],
  );
  return { ...loaded, changes: changes.of === loaded.value ? changes.words : [] };
}
