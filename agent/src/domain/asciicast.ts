/** Recordings in asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): a line with a header, then a line for each event. */

/** A terminal of this size is what jobs are shown on; GitLab Runner gives its jobs none, so none is known of them. */
export const CAST_WIDTH = 160;
export const CAST_HEIGHT = 50;

/** What a recording begins with. */
export interface CastHeader {
  readonly version: 2;
  readonly width: number;
  readonly height: number;
  /** Seconds of the epoch. */
  readonly timestamp: number;
  readonly title: string;
  readonly env: { readonly TERM: string };
}
/** What appeared on the terminal, and when, in seconds from the start. */
export interface CastEvent {
  readonly at: number;
  readonly text: string;
}

/** The first line of a recording. */
export function castHeader(startedAt: number, title: string): string {
  const header: CastHeader = {
    version: 2,
    width: CAST_WIDTH,
    height: CAST_HEIGHT,
    timestamp: Math.floor(startedAt / 1000),
    title,
    env: { TERM: 'xterm-256color' },
  };
  return `${JSON.stringify(header)}\n`;
}

/** The line of one event. */
export function castEvent(ms: number, text: string): string {
  return `${JSON.stringify([ms / 1000, 'o', text])}\n`;
}

/** Reads a recording; null for what is none. An event that is of no known kind is left out, as the format asks. */
export function parseCast(text: string): { readonly header: CastHeader; readonly events: readonly CastEvent[] } | null {
  const [first, ...lines] = text.split('\n').filter((line) => line !== '');
  try {
    const header = JSON.parse(first ?? '') as CastHeader;
    if (header === null || typeof header !== 'object' || header.version !== 2) return null;
    const events: CastEvent[] = [];
    for (const line of lines) {
      const read: unknown = JSON.parse(line);
      if (!Array.isArray(read) || typeof read[0] !== 'number' || typeof read[2] !== 'string') return null;
      if (read[1] === 'o') events.push({ at: read[0], text: read[2] });
    }
    return { header, events };
  } catch {
    return null;
  }
}
