/** The baseline: a server of ws and nothing else, in a process of its own. */
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export type RawQuestion =
  | { readonly kind: 'hello' | 'listen' | 'count' }
  | { readonly kind: 'push'; readonly client: number; readonly text: string }
  | { readonly kind: 'broadcast'; readonly text: string };

const sockets: WebSocket[] = [];

function answerTo(question: RawQuestion): Promise<unknown> | unknown {
  switch (question.kind) {
    case 'listen': {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: 4_096 });
      server.on('connection', (socket) => sockets.push(socket));
      return new Promise((resolve) => server.once('listening', () => resolve((server.address() as AddressInfo).port)));
    }
    case 'count':
      return sockets.length;
    case 'push': {
      const at = String(process.hrtime.bigint());
      sockets[question.client]?.send(question.text);
      return at;
    }
    case 'broadcast': {
      const bytes = Buffer.from(question.text);
      for (const socket of sockets) socket.send(bytes, { binary: false });
      return null;
    }
    default:
      return null;
  }
}

process.on('message', async (question: RawQuestion) => process.send?.({ answer: await answerTo(question) }));
