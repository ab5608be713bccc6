/** A payload of NOTIFY has less than 8,000 bytes: a message goes in as many as it needs. */
const PART_CHARS = 7_600;
/** One message: all values of one reveal, sealed and signed, are some 3 MiB at most. */
export const MAX_MESSAGE_BYTES = 12 * 1024 * 1024;
/** Of messages that are not whole yet, of everybody together. */
const MAX_GATHERED_CHARS = 2 * MAX_MESSAGE_BYTES;

/** The payloads of one message: `sender number index count part`; none for one that is too long. */
export function partsOf(sender: string, number: number, bytes: Uint8Array): readonly string[] {
  if (bytes.length === 0 || bytes.length > MAX_MESSAGE_BYTES) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  const count = Math.ceil(text.length / PART_CHARS);
  return Array.from({ length: count }, (_, index) =>
    [sender, number, index, count, text.slice(index * PART_CHARS, (index + 1) * PART_CHARS)].join(' '),
  );
}

interface Gathering {
  readonly number: string;
  readonly count: number;
  readonly parts: string[];
}

/**
 * Puts messages together again. The parts of one come in their order with nothing of the same sender between them, since each sender
 * tells one message after the other: whatever does not follow is dropped with what it should have followed. Anybody may write on the
 * channel (T30).
 */
export function gatherParts(self: string): (payload: string) => Uint8Array | null {
  const gathering = new Map<string, Gathering>();
  let chars = 0;
  const drop = (sender: string): void => {
    for (const part of gathering.get(sender)?.parts ?? []) chars -= part.length;
    gathering.delete(sender);
  };
  return (payload) => {
    const [, sender = '', number = '', at = '', of = '', part = ''] =
      /^([\w-]{1,40}) (\d{1,15}) (\d{1,5}) (\d{1,5}) ([A-Za-z0-9+/=]+)$/.exec(payload) ?? [];
    if (sender === '' || sender === self) return null;
    const [index, count] = [Number(at), Number(of)];
    const known = gathering.get(sender);
    if (index === 0) drop(sender);
    else if (known?.number !== number || known.count !== count || known.parts.length !== index) {
      drop(sender);
      return null;
    }
    if (chars + part.length > MAX_GATHERED_CHARS) {
      for (const each of [...gathering.keys()]) drop(each);
      return null;
    }
    const message = index === 0 ? { number, count, parts: [] } : known!;
    message.parts.push(part);
    chars += part.length;
    gathering.set(sender, message);
    if (message.parts.length < count) return null;
    const bytes = Buffer.from(message.parts.join(''), 'base64');
    drop(sender);
    return bytes;
  };
}
