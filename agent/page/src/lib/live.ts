import { signal } from '@preact/signals';
import type { ViewerEvent } from '../../../src/wire/api.ts';

/** What a listener is told: something has changed, or everything may have, because the line was down. */
export type LiveEvent = ViewerEvent | { readonly type: 'all' };

/** Whether the page hears of changes; while it does not, it says so. */
export const isLive = signal(false);

const listeners = new Set<(event: LiveEvent) => void>();
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

function isEvent(value: unknown): value is ViewerEvent {
  return typeof value === 'object' && value !== null && 'type' in value && 'id' in value && 'state' in value;
}

/** Follows what changes until the returned function is called; a line that drops is opened again, ever more slowly. */
export function follow(): () => void {
  let stopped = false;
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drops = 0;
  let opened = 0;

  function connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const line = new WebSocket(`${scheme}//${location.host}/api/v1/events`);
    socket = line;
    line.onopen = () => {
      isLive.value = true;
      drops = 0;
      opened += 1;
      // What happened while the line was down was not told.
      if (opened > 1) tell({ type: 'all' });
    };
    line.onmessage = ({ data }) => {
      const value: unknown = typeof data === 'string' ? JSON.parse(data) : null;
      if (isEvent(value)) tell(value);
    };
    line.onclose = () => {
      isLive.value = false;
      if (stopped) return;
      const most = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** drops);
      drops += 1;
      timer = setTimeout(connect, most * Math.random());
    };
  }
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    socket?.close();
    isLive.value = false;
  };
}
