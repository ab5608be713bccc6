import { createServer } from 'node:net';

/** Below those that the system gives to connections that go out: with thousands of them any of its own may be taken at the next moment. */
const FROM = 12_000;
const TO = 30_000;

/** A port of loopback that nobody listens on now, and no outgoing connection gets. */
export async function lowPort(): Promise<number> {
  for (;;) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
