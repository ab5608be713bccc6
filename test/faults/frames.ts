/** A stream of a websocket, cut where one message ends and the next begins; the head of the upgrade is a piece of its own. */
export interface Piece {
  readonly bytes: Buffer;
  /** A whole text message: what may be sent twice, or after the one behind it. */
  readonly isText: boolean;
}

/** Cuts what one end sends. Masks are left as they are: a frame carries its own, so it can be repeated as it stands. */
export function frameCutter(): (chunk: Buffer) => Piece[] {
  let rest: Buffer = Buffer.alloc(0);
  let upgraded = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const pieces: Piece[] = [];
    const take = (length: number, isText: boolean): void => {
      pieces.push({ bytes: rest.subarray(0, length), isText });
      rest = rest.subarray(length);
    };
    if (!upgraded) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return pieces;
      upgraded = /^(GET|HTTP\/1\.1 101)/.test(rest.subarray(0, 12).toString('latin1'));
      // A refusal, or a request that is no upgrade: passed on as it comes.
      take(upgraded ? end + 4 : rest.length, false);
      if (!upgraded) return pieces;
    }
    for (;;) {
      const length = frameLength(rest);
      if (length === null || rest.length < length) return pieces;
      const [first = 0] = rest;
      take(length, (first & 0x8f) === 0x81);
    }
  };
}

/** RFC 6455, 5.2: bytes of the frame that begins here; null while its head is not whole. */
function frameLength(bytes: Buffer): number | null {
  if (bytes.length < 2) return null;
  const second = bytes[1]!;
  const mask = second & 0x80 ? 4 : 0;
  const short = second & 0x7f;
  if (short < 126) return 2 + mask + short;
  if (short === 126) return bytes.length < 4 ? null : 4 + mask + bytes.readUInt16BE(2);
  return bytes.length < 10 ? null : 10 + mask + Number(bytes.readBigUInt64BE(2));
}
