/** Many connections that listen, to ws, Redis or NATS, in a process of its own; no library between, so that all cost the same here. */
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';

export interface Subscribe {
  readonly kind: 'subscribe';
  readonly to: 'ws' | 'redis' | 'nats';
  readonly port: number;
  readonly count: number;
}
export type SubscribersQuestion = Subscribe | { readonly kind: 'hello' | 'heard' | 'forget-heard' };

/** When each message came: nanoseconds of the monotonic clock, in digits; and its number, 0 where that was not read. */
export interface Heard {
  readonly at: string;
  readonly n: number;
}
let heard: Heard[] = [];
const note = (n = 0): void => void heard.push({ at: String(process.hrtime.bigint()), n });
const kept: (Socket | WebSocket)[] = [];
/** So many connections are opened at once. */
const AT_ONCE = 64;
/** What opens the line after which Redis and NATS have made a subscription, and a message. */
const WORDS = {
  redis: { ask: 'SUBSCRIBE all\r\n', ready: 'subscribe\r\n', message: '$7\r\nmessage\r\n' },
  nats: { ask: 'CONNECT {"verbose":false}\r\nSUB all 1\r\nPING\r\n', ready: 'PONG', message: 'MSG all 1 ' },
} as const;

function plain(to: 'redis' | 'nats', port: number): Promise<void> {
  const { ask, ready, message } = WORDS[to];
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    kept.push(socket);
    socket.once('error', reject);
    socket.once('connect', () => socket.write(ask));
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (text.includes(message)) note();
      if (text.includes(ready)) resolve();
      // NATS asks whether somebody is there.
      if (to === 'nats' && text.startsWith('PING')) socket.write('PONG\r\n');
    });
  });
}

function web(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    kept.push(socket);
    socket.once('error', reject);
    socket.once('open', resolve);
    socket.on('message', (data) => {
      note((JSON.parse(data.toString()) as { n: number }).n);
    });
  });
}

async function subscribe({ to, port, count }: Subscribe): Promise<number> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next++ < count) await (to === 'ws' ? web(port) : plain(to, port));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return kept.length;
}

process.on('message', async (question: SubscribersQuestion) => {
  let answer: unknown = null;
  if (question.kind === 'subscribe') answer = await subscribe(question);
  if (question.kind === 'heard') answer = heard;
  if (question.kind === 'forget-heard') heard = [];
  process.send?.({ answer });
});
