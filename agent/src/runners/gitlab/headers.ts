/** Of one connection only (RFC 9110 §7.6.1), or written anew by the client of the other side. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
  'http2-settings',
  // Rack takes it for the method: another request at GitLab than the one that was looked up here (T47).
  'x-http-method-override',
]);

function namedByConnection(raw: readonly string[]): Set<string> | null {
  let named: Set<string> | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== 10 || raw[i]!.toLowerCase() !== 'connection') continue;
    for (const name of raw[i + 1]!.split(',')) {
      const option = name.trim().toLowerCase();
      if (option === '' || option === 'keep-alive' || option === 'close') continue;
      named ??= new Set();
      named.add(option);
    }
  }
  return named;
}

/**
 * Headers for the other side, names and values in turn: hop-by-hop ones and `drop` (lower case) taken out. A name with an
 * underscore goes too: Rack takes `Runner_Token` for `Runner-Token`, so it would be a second, unseen token (T47).
 */
export function forwardable(raw: readonly string[], drop?: ReadonlySet<string>): string[] {
  const named = namedByConnection(raw);
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || drop?.has(lower) || named?.has(lower) || name.includes('_')) continue;
    out.push(name, raw[i + 1]!);
  }
  return out;
}

/** Raw headers of undici as strings, names and values in turn. */
export function rawStrings(raw: readonly (Buffer | string)[]): string[] {
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}

/** The value of a header in a list of names and values; null when it is not there or there twice. */
export function headerIn(raw: readonly string[], name: string): string | null {
  let found: string | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== name.length || raw[i]!.toLowerCase() !== name) continue;
    if (found !== null) return null;
    found = raw[i + 1]!;
  }
  return found;
}

/** The same list with the value of one header (lower-case name) changed; taken out where `change` answers null. */
export function withHeader(raw: readonly string[], name: string, change: (value: string) => string | null): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i]!.toLowerCase() === name ? change(raw[i + 1]!) : raw[i + 1]!;
    if (value !== null) out.push(raw[i]!, value);
  }
  return out;
}
