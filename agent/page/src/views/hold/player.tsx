import { useEffect, useRef, useState } from 'preact/hooks';
import { type CastEvent, parseCast } from '../../../../src/domain/asciicast.ts';
import { wordsOf } from '../../lib/problem.ts';
import { Notice } from '../../ui/notice.tsx';
import type { LogTerminal } from './terminal.ts';
import { type Lines, TerminalLines } from './terminal-lines.tsx';

const SPEEDS = [1, 2, 4, 8, 16] as const;
/** A pause that is skipped lasts so long, in seconds. */
const SHORT_PAUSE = 0.5;
/** How often what is due is shown. */
const FRAME_MS = 100;

const clock = (seconds: number): string => {
  const whole = Math.floor(seconds);
  const rest = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
  return whole < 3_600
    ? rest
    : `${Math.floor(whole / 3_600)}:${String(Math.floor((whole % 3_600) / 60)).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
};

async function fetched(hold: number, job: number, signal: AbortSignal): Promise<readonly CastEvent[]> {
  const response = await fetch(`/api/v1/holds/${hold}/recording?job=${job}`, {
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal,
  });
  if (!response.ok) {
    const body = (await response.json().catch(() => null)) as { detail?: unknown } | null;
    throw new Error(typeof body?.detail === 'string' ? body.detail : `the hub answers ${response.status}`);
  }
  const cast = parseCast(await response.text());
  if (cast === null) throw new Error('this is no recording that this page can read');
  return cast.events;
}

/** Events at the times at which they are shown: with their pauses, or with those cut short. */
function timed(events: readonly CastEvent[], skips: boolean): readonly CastEvent[] {
  let cut = 0;
  let before = 0;
  return events.map(({ at, text }) => {
    if (skips && at - before > SHORT_PAUSE) cut += at - before - SHORT_PAUSE;
    before = at;
    return { at: at - cut, text };
  });
}

/** Plays a recording on a terminal that is never put into the page, as a live log is shown. */
export function Player({ hold, job }: { readonly hold: number; readonly job: number }) {
  const [events, setEvents] = useState<readonly CastEvent[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<number>(1);
  const [skips, setSkips] = useState(true);
  const [position, setPosition] = useState(0);
  const [lines, setLines] = useState<Lines>([]);
  const terminal = useRef<LogTerminal | null>(null);
  const shown = useRef(0);
  const loading = useRef<AbortController | null>(null);
  useEffect(
    () => () => {
      loading.current?.abort();
      terminal.current?.dispose();
    },
    [],
  );
  const times = events === null ? [] : timed(events, skips);
  const end = times.at(-1)?.at ?? 0;

  const load = async (): Promise<void> => {
    loading.current = new AbortController();
    try {
      const [{ LogTerminal: Made }, found] = await Promise.all([
        import('./terminal.ts'),
        fetched(hold, job, loading.current.signal),
      ]);
      terminal.current = new Made();
      setEvents(found);
      setPlaying(true);
    } catch (error) {
      if (!loading.current.signal.aborted) setProblem(wordsOf(error));
    }
  };
  /** Shows everything up to a moment; one that lies before what is shown begins anew. */
  const showUntil = async (seconds: number): Promise<void> => {
    const { LogTerminal: Made } = await import('./terminal.ts');
    const due = times.filter(({ at }) => at <= seconds).length;
    if (due < shown.current || terminal.current === null) {
      terminal.current?.dispose();
      terminal.current = new Made();
      shown.current = 0;
    }
    const text = times
      .slice(shown.current, due)
      .map((event) => event.text)
      .join('');
    shown.current = due;
    const of = terminal.current;
    of.write(new TextEncoder().encode(text), () => {
      if (terminal.current === of) setLines(of.lines());
    });
  };
  useEffect(() => {
    if (!isPlaying || events === null) return;
    const timer = setInterval(() => {
      setPosition((old) => {
        const next = Math.min(end, old + (FRAME_MS / 1000) * speed);
        if (next >= end) setPlaying(false);
        return next;
      });
    }, FRAME_MS);
    return () => clearInterval(timer);
  }, [isPlaying, events, speed, end]);
  useEffect(() => {
    if (events !== null) void showUntil(position);
  }, [position, events, skips]);

  if (problem !== null) return <Notice tone="bad">Not played: {problem}</Notice>;
  if (events === null)
    return (
      <button type="button" onClick={load}>
        Play the recording of job {job}
      </button>
    );
  const toggle = (): void => {
    if (!isPlaying && position >= end) setPosition(0);
    setPlaying(!isPlaying);
  };
  return (
    <div class="player">
      <p class="buttons">
        <button type="button" onClick={toggle}>
          {isPlaying ? 'Pause' : 'Play'}
        </button>
        <label>
          Speed{' '}
          <select value={String(speed)} onChange={({ currentTarget }) => setSpeed(Number(currentTarget.value))}>
            {SPEEDS.map((each) => (
              <option key={each} value={String(each)}>
                {each}×
              </option>
            ))}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={skips}
            onChange={({ currentTarget }) => {
              setSkips(currentTarget.checked);
              setPosition(0);
            }}
          />{' '}
          Skip pauses
        </label>
        <label>
          <span class="quiet">
            {clock(position)} of {clock(end)}
          </span>{' '}
          <input
            type="range"
            aria-label="Where to play from"
            min={0}
            max={Math.max(0.1, end)}
            step={0.1}
            value={position}
            onInput={({ currentTarget }) => setPosition(Number(currentTarget.value))}
          />
        </label>
      </p>
      <section
        class="log"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
        tabIndex={0}
        aria-label={`Recording of job ${job}`}
      >
        <TerminalLines lines={lines} />
      </section>
    </div>
  );
}
