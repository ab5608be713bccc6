/** Path of a value in a JSON document: member names and list indices, outermost first. */
export type JsonPath = readonly (string | number)[];

/** What a walk over a JSON text reports; the path is only valid during the call. */
export interface JsonTextVisitor {
  /** A member whose name its object already has. */
  readonly duplicate?: (path: JsonPath) => void;
  /** A number literal and where it stands, in UTF-16 units. */
  readonly number?: (path: JsonPath, literal: string, start: number) => void;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WHITE = /[ \t\n\r]*/y;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

/**
 * Walks a JSON text token by token, for what a parsed value no longer tells: names sent twice, and how a number was written.
 * Returns null, or where the text stops being JSON (UTF-16 units). Recursive: the depth of the text is limited beforehand.
 */
export function walkJsonText(text: string, visitor: JsonTextVisitor): number | null {
  const path: (string | number)[] = [];
  let at = 0;
  const eat = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return null;
    at = pattern.lastIndex;
    return match[0];
  };
  const literal = (word: string): boolean => {
    if (!text.startsWith(word, at)) return false;
    at += word.length;
    return true;
  };
  const string = (): string | null => {
    if (text.charCodeAt(at) !== QUOTE) return null;
    const end = endOfString(text, at);
    try {
      const content = JSON.parse(text.slice(at, end + 1)) as string;
      at = end + 1;
      return content;
    } catch {
      return null;
    }
  };
  const object = (): boolean => {
    const names = new Set<string>();
    at += 1;
    eat(WHITE);
    if (literal('}')) return true;
    for (;;) {
      eat(WHITE);
      const name = string();
      if (name === null) return false;
      path.push(name);
      if (names.has(name)) visitor.duplicate?.(path);
      names.add(name);
      eat(WHITE);
      if (!literal(':') || !value()) return false;
      path.pop();
      eat(WHITE);
      if (literal('}')) return true;
      if (!literal(',')) return false;
    }
  };
  const list = (): boolean => {
    at += 1;
    eat(WHITE);
    if (literal(']')) return true;
    for (let index = 0; ; index++) {
      path.push(index);
      if (!value()) return false;
      path.pop();
      eat(WHITE);
      if (literal(']')) return true;
      if (!literal(',')) return false;
    }
  };
  const value = (): boolean => {
    eat(WHITE);
    switch (text[at]) {
      case '{':
        return object();
      case '[':
        return list();
      case '"':
        return string() !== null;
      case 't':
        return literal('true');
      case 'f':
        return literal('false');
      case 'n':
        return literal('null');
      default: {
        const start = at;
        const token = eat(NUMBER);
        if (token === null || token === '') return false;
        visitor.number?.(path, token, start);
        return true;
      }
    }
  };
  if (!value()) return at;
  eat(WHITE);
  return at === text.length ? null : at;
}

/** What one pass over a JSON text counts without reading it: enough to tell that the slow walk is not needed. */
export interface JsonTextCounts {
  /** Members as written, names sent twice included. */
  readonly members: number;
  /** Numbers written with a fraction or an exponent. */
  readonly fractions: number;
  /** Depth of the deepest object or list; the outermost is 1. */
  readonly depth: number;
}

const NEAR = 40;

/** Counts of a text; of one that is not JSON they mean nothing. */
export function countJsonText(text: string): JsonTextCounts {
  let members = 0;
  let fractions = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) {
      // Most strings are short: looking at each unit is quicker than a call; a long one is the engine's to search.
      const near = at + NEAR;
      let d = 0;
      let end = at + 1;
      for (; end < near; end++) {
        d = text.charCodeAt(end);
        if (d === QUOTE || d === BACKSLASH) break;
      }
      at = d === QUOTE ? end : endOfString(text, at);
    } else if (c < 0x30) {
      // White space, commas, signs: by far the most of what stands between the tokens.
    } else if (c === 0x3a) members += 1;
    else if (c === 0x7b || c === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (c === 0x7d || c === 0x5d) depth -= 1;
    else if (c >= 0x30 && c <= 0x39) {
      let fraction = false;
      for (at += 1; at < text.length; at++) {
        const d = text.charCodeAt(at);
        if (d === 0x2e || d === 0x45 || d === 0x65) fraction = true;
        else if (!((d >= 0x30 && d <= 0x39) || d === 0x2b || d === 0x2d)) break;
      }
      at -= 1;
      if (fraction) fractions += 1;
    }
  }
  return { members, fractions, depth: deepest };
}
