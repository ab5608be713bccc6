import { signal } from '@preact/signals';
import type { ViewerEvent } from '../../../src/wire/api.ts';
import type { Attend, Attending, Beat, LogPieceEvent, Present, WatchingLog, WatchLog } from '../../../src/wire/logs.ts';

/** What a listener is told: something has changed, or everything may have, because the line was down. */
export type LiveEvent = ViewerEvent | { readonly type: 'all' };

/** Whether the page hears of changes; while it does not, it says so. */
export const isLive = signal(false);

const listeners = new Set<(event: LiveEvent) => void>();
/** What is told of one job's log: whether it is followed, and its pieces. */
export type LogEvent = LogPieceEvent | WatchingLog;
const logListeners = new Map<number, (event: LogEvent) => void>();
/** The line that is open; null while there is none. */
let line: WebSocket | null = null;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;

/** Calls back on every change that this person may see, until the returned function is called. */
export function onLive(listener: (event: LiveEvent) => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function tell(event: LiveEvent): void {
  for (const listener of listeners) listener(event);
}

function sayWatch(hold: number, on: boolean): void {
  if (line?.readyState === WebSocket.OPEN) line.send(JSON.stringify({ type: 'watch', hold, on } satisfies WatchLog));
}

/** Follows the log of a Hold's job until the returned function is called; after a drop it is asked for again. */
export function watchLog(hold: number, listener: (event: LogEvent) => void): () => void {
  logListeners.set(hold, listener);
  sayWatch(hold, true);
  return () => {
    if (logListeners.get(hold) !== listener) return;
    logListeners.delete(hold);
    sayWatch(hold, false);
  };
}

/** Jobs that somebody watches in this page, and who is told whether that counts. */
const attended = new Map<number, (told: Attending) => void>();

function sayAttend(hold: number, on: boolean): void {
  if (line?.readyState === WebSocket.OPEN) line.send(JSON.stringify({ type: 'attend', hold, on } satisfies Attend));
}

/** A page that nobody sees watches nothing: the hub is answered from a visible one alone. */
const isSeen = (): boolean => document.visibilityState === 'visible';

/**
 * Watches a job as the second pair of eyes until the returned function is called; with `true` the hub is told at once, and else
 * it finds out when it is not answered any more, so that whoever only turns the page can come back.
 */
export function attendJob(hold: number, listener: (told: Attending) => void): (leave: boolean) => void {
  attended.set(hold, listener);
  const again = (): void => {
    if (isSeen()) sayAttend(hold, true);
  };
  document.addEventListener('visibilitychange', again);
  again();
  return (leave) => {
    document.removeEventListener('visibilitychange', again);
    if (attended.get(hold) !== listener) return;
    attended.delete(hold);
    if (leave) sayAttend(hold, false);
  };
}

function answer({ hold, nonce }: Beat): void {
  if (attended.has(hold) && isSeen()) line?.send(JSON.stringify({ type: 'present', hold, nonce } satisfies Present));
}

function isPresence(value: unknown): value is Attending | Beat {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return value.type === 'attending' || value.type === 'beat';
}

function isLogEvent(value: unknown): value is LogEvent {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return value.type === 'log' || value.type === 'watching';
}

function isEvent(value: unknown): value is ViewerEvent {
  return typeof value === 'object' && value !== null && 'type' in value && 'id' in value && 'state' in value;
}

/** What the hub closes the line with when the session is over. */
const OVER = 4401;
/** So many lines in a row that never opened are no bad connection any more: the hub may not want this session. */
const SUSPICIOUS_DROPS = 3;

/**
 * Follows what changes until the returned function is called; a line that drops is opened again, ever more slowly. `onOver` is
 * called when the session may be over.
 */
export function follow(onOver: () => void): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drops = 0;
  let opened = 0;

  function connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const own = new WebSocket(`${scheme}//${location.host}/api/v1/events`);
    line = own;
    own.onopen = () => {
      isLive.value = true;
      drops = 0;
      opened += 1;
      for (const hold of logListeners.keys()) sayWatch(hold, true);
      if (isSeen()) for (const hold of attended.keys()) sayAttend(hold, true);
      // What happened while the line was down was not told.
      if (opened > 1) tell({ type: 'all' });
    };
    own.onmessage = ({ data }) => {
      const value: unknown = typeof data === 'string' ? JSON.parse(data) : null;
      if (isLogEvent(value)) logListeners.get(value.hold)?.(value);
      else if (isPresence(value)) {
        if (value.type === 'beat') answer(value);
        else attended.get(value.hold)?.(value);
      } else if (isEvent(value)) tell(value);
    };
    own.onclose = ({ code }) => {
      isLive.value = false;
      if (stopped) return;
      if (code === OVER || drops === SUSPICIOUS_DROPS) onOver();
      const most = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** drops);
      drops += 1;
      timer = setTimeout(connect, most * Math.random());
    };
  }
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    line?.close();
    line = null;
    isLive.value = false;
  };
}
