/** What a log may do to a terminal that somebody sits at: colours, and lines that are written over. */
const SGR_OR_ERASE = /^[0-9;:]{0,64}[mK]$/;
/** A sequence that is longer is none of those. */
const MAX_SEQUENCE_CHARS = 4_096;

/**
 * Lets through text, colours and carriage returns of a job, piece by piece, and nothing else: no sequence that sets a title or a
 * clipboard, asks the terminal something, or moves to where other things stand (T33).
 */
export function safeTerminal(): (text: string) => string {
  let pending = '';
  return (text) => {
    const all = pending + text;
    pending = '';
    let out = '';
    for (let at = 0; at < all.length; ) {
      const code = all.charCodeAt(at);
      if (code !== 0x1b) {
        const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
        if (!isControl || code === 0x0a || code === 0x0d || code === 0x09) out += all[at];
        at += 1;
        continue;
      }
      const end = endOf(all, at);
      if (end === null) {
        // Not whole yet; one that never ends is dropped, and what follows it is text again.
        if (all.length - at <= MAX_SEQUENCE_CHARS) pending = all.slice(at);
        break;
      }
      const body = all.slice(at + 2, end);
      if (all[at + 1] === '[' && SGR_OR_ERASE.test(body)) out += all.slice(at, end);
      at = end;
    }
    return out;
  };
}

/** Where the sequence that begins at `at` is over; null where its end has not come. */
function endOf(text: string, at: number): number | null {
  const kind = text[at + 1];
  if (kind === undefined) return null;
  if (kind === '[') {
    for (let i = at + 2; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x40 && code <= 0x7e) return i + 1;
      // A control character or another sequence breaks it off.
      if (code < 0x20 || code > 0x7e) return i;
    }
    return null;
  }
  // Texts for the terminal: OSC, DCS, SOS, PM and APC run to BEL or ST.
  if (']PX^_'.includes(kind)) {
    for (let i = at + 2; i < text.length; i++) {
      if (text[i] === '\x07') return i + 1;
      if (text[i] === '\x1b' && text[i + 1] === '\\') return i + 2;
    }
    return null;
  }
  // Intermediate bytes, then one that ends it.
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x2f) return i + 1;
  }
  return null;
}
