import WebSocket from 'ws';

/** The states that Holds went through, as the hub told them over its websocket for viewers. */
export interface HoldWatch {
  /** In order, each once in a row. */
  seen(hold: number): readonly string[];
  /** Adds a state that was read over HTTP, should the websocket not have told it. */
  note(hold: number, state: string): void;
  /** Resolves at the next news, after `ms` at the latest, or when `stop` is aborted. */
  next(ms: number, stop: AbortSignal): Promise<void>;
  close(): void;
}

/** Listens to `/api/v1/events`; resolves when the connection stands. */
export async function watchHolds(hubUrl: string, token: string): Promise<HoldWatch> {
  const states = new Map<number, string[]>();
  const waiting = new Set<() => void>();
  const socket = new WebSocket(`${hubUrl.replace(/^http/, 'ws')}/api/v1/events`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  const note = (hold: number, state: string) => {
    const list = states.get(hold) ?? [];
    if (list.at(-1) !== state) list.push(state);
    states.set(hold, list);
    for (const wake of [...waiting]) wake();
  };
  socket.on('message', (data) => {
    const event = JSON.parse(String(data)) as { type?: unknown; id?: unknown; state?: unknown };
    if (event.type === 'hold' && typeof event.id === 'number' && typeof event.state === 'string') {
      note(event.id, event.state);
    }
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  socket.on('error', () => socket.terminate()); // what is missed from now on is read over HTTP
  return {
    seen: (hold) => states.get(hold) ?? [],
    note(hold, state) {
      // An HTTP answer may be older than the last event: it counts only where it is news.
      if (!(states.get(hold) ?? []).includes(state)) note(hold, state);
    },
    next: (ms, stop) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(done);
          stop.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        waiting.add(done);
        stop.addEventListener('abort', done);
        if (stop.aborted) done();
      }),
    close: () => socket.terminate(),
  };
}
