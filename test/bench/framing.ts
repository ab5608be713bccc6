/** Just enough of HTTP/1.1 to be quicker than what is measured: heads and bodies with a Content-Length, one message after the other. */

export interface Head {
  /** Request or status line. */
  readonly line: string;
  /** Everything up to the empty line. */
  readonly text: string;
  /** Bytes of the body. */
  readonly length: number;
}

export interface FrameHandler {
  onHead(head: Head): void;
  /** Pieces of the body as they come; not kept. */
  onBody(chunk: Buffer): void;
  onEnd(): void;
}

const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** Takes bytes as they come and tells what is in them; give its answer the next bytes of the connection. */
export function frames(handler: FrameHandler): (chunk: Buffer) => void {
  let rest: Buffer | null = null;
  let left = 0;
  return (chunk) => {
    let data = rest === null ? chunk : Buffer.concat([rest, chunk]);
    rest = null;
    while (data.length > 0) {
      if (left > 0) {
        const part = data.length <= left ? data : data.subarray(0, left);
        left -= part.length;
        data = data.subarray(part.length);
        handler.onBody(part);
        if (left === 0) handler.onEnd();
        continue;
      }
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) {
        rest = data;
        return;
      }
      const text = data.toString('latin1', 0, end);
      data = data.subarray(end + 4);
      left = Number(LENGTH.exec(text)?.[1] ?? 0);
      handler.onHead({
        line: text.slice(0, text.indexOf('\r\n') < 0 ? end : text.indexOf('\r\n')),
        text,
        length: left,
      });
      if (left === 0) handler.onEnd();
    }
  };
}
