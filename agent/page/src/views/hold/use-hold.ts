import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { ask } from '../../lib/ask.ts';
import { onLive } from '../../lib/live.ts';
import { type Loaded, useLoad } from '../../lib/load.ts';
import { say } from '../../lib/say.ts';
import { stateWords } from '../../ui/chip.tsx';
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
  /** The reader has decided: from now on it is shown as it is, as long as the same configuration is asked about. */
  decided(): void;
  readonly isDecided: boolean;
}

async function read(id: number, signal: AbortSignal): Promise<HoldFound> {
  const [hold, background] = await Promise.all([
    ask<HoldDetail>('GET', `holds/${id}`, undefined, signal),
    ask<BackgroundView>('GET', `holds/${id}/background`, undefined, signal),
  ]);
  return { hold, background };
}

/** Whether what is told may take the place of what is shown: nobody is about to decide on that (T13). */
function isFollowed(shown: HoldDetail, fresh: HoldDetail, isDecided: boolean): boolean {
  return shown.state !== 'waiting_for_approval' || (isDecided && shown.digest === fresh.digest);
}

/**
 * Reads a Hold and follows it: what is on the screen stays as it is while somebody may be about to decide on it, and
 * what has changed meanwhile is told beside it (T13). What the reader has decided, or nobody decides on any more, is shown as
 * it goes on.
 */
export function useHold(id: number): FollowedHold {
  const loaded = useLoad(`hold ${id}`, (signal) => read(id, signal));
  const [newer, setNewer] = useState<{ readonly of: HoldFound; readonly hold: HoldDetail } | null>(null);
  const value = useMemo(
    () => (loaded.value !== null && newer?.of === loaded.value ? { ...loaded.value, hold: newer.hold } : loaded.value),
    [loaded.value, newer],
  );
  const isDecided = useRef(false);
  const [changes, setChanges] = useState<{ readonly of: HoldFound | null; readonly words: readonly string[] }>({
    of: null,
    words: [],
  });
  const base = useRef(loaded.value);
  base.current = loaded.value;
  const shown = useRef(value);
  shown.current = value;
  const turns = useRef(0);
  const isLoading = useRef(true);
  isLoading.current = loaded.isLoading;
  /** Something was told while it was being read: what was read may be older than that. */
  const isMissed = useRef(false);
  const look = useCallback(async (): Promise<void> => {
    const of = shown.current;
    if (of === null) return;
    const from = base.current;
    const turn = ++turns.current;
    const fresh = await ask<HoldDetail>('GET', `holds/${id}`);
    // A later look, or a later reading, has more to tell.
    if (turn !== turns.current || from === null || base.current !== from) return;
    if (isFollowed(of.hold, fresh, isDecided.current)) {
      setNewer({ of: from, hold: fresh });
      if (of.hold.state !== fresh.state) say(`It is now: ${stateWords(fresh.state)}`);
      return;
    }
    const words = changedSince(of.hold, fresh);
    if (words.length === 0) return;
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
        if (!concerns) return;
        if (isLoading.current) isMissed.current = true;
        else void look().catch(() => {});
      }),
    [id, look],
  );
  useEffect(() => {
    if (loaded.isLoading || !isMissed.current) return;
    isMissed.current = false;
    void look().catch(() => {});
  }, [loaded.isLoading, look]);
  const decided = useCallback(() => {
    isDecided.current = true;
  }, []);
  return {
    ...loaded,
    value,
    changes: changes.of === value ? changes.words : [],
    decided,
    isDecided: isDecided.current,
  };
}
