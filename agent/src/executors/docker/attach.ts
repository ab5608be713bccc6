import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { ExecutorFailure } from '../failure.ts';

/** The engine answers at once; one that does not is broken. */
const ATTACH_MS = 30_000;

/**
 * Connects to input and output of a container that is about to start. Apart from the client library, which sends its
 * options as a body as well: to Podman whatever follows the question is the first line of the script.
 */
export function attach(socketPath: string, container: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath,
      method: 'POST',
      path: `/containers/${encodeURIComponent(container)}/attach?stream=1&stdin=1&stdout=1&stderr=1`,
      headers: { Host: 'engine', Connection: 'Upgrade', Upgrade: 'tcp', 'Content-Length': 0 },
      timeout: ATTACH_MS,
    });
    const refuse = (why: string) => reject(new ExecutorFailure(`the container engine does not attach: ${why}`));
    asked.on('upgrade', (_, socket, head) => {
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.on('response', (answer) => {
      answer.resume();
      refuse(`it answered ${answer.statusCode}`);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', (error) => refuse(error.message));
    asked.end();
  });
}
