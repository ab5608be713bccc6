import { connect } from 'node:net';

/** A connection on which a test says byte for byte what it wants. */
export interface RawConnection {
  write(text: string): void;
  /** All that came, once the other side has closed; a connection that was cut ends it as well. */
  readonly ended: Promise<string>;
  close(): void;
}

/** Connects; resolves when the kernel has taken the connection, which is before the server has. */
export async function rawConnection(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  return { write: (data) => socket.write(data), ended, close: () => socket.destroy() };
}

/** Resolves when nobody listens there any more. */
export async function deaf(port: number): Promise<void> {
  for (;;) {
    const refused = await rawConnection(port).then(
      (one) => one.close(),
      () => true,
    );
    if (refused === true) return;
  }
}
