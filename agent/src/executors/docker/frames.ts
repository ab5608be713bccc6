import type { ExecutorOutput } from '../../ports/executor.ts';

const HEADER_BYTES = 8;
const STDERR = 2;

/**
 * Passes on what a container prints, as the engine frames it: one byte for the stream, three empty, four for the length.
 * Waits for whoever reads, so that a job which prints without end holds no memory of ours.
 */
export async function passFrames(from: AsyncIterable<Uint8Array>, to: ExecutorOutput): Promise<void> {
  let header = Buffer.alloc(0);
  let left = 0;
  let stream = 1;
  for await (const chunk of from) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) {
      if (left === 0) {
        const taken = HEADER_BYTES - header.length;
        header = Buffer.concat([header, rest.subarray(0, taken)]);
        rest = rest.subarray(taken);
        if (header.length < HEADER_BYTES) break;
        stream = header[0]!;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const part = rest.subarray(0, left);
      rest = rest.subarray(part.length);
      left -= part.length;
      await (stream === STDERR ? to.err(part) : to.out(part));
    }
  }
}
