/** Longer than this nobody breaks glass without looking again. */
export const HOST_GLASS_MAX_MS = 4 * 3_600_000;

/** What a host's own break-glass file says: why, and until when (epoch ms). */
export interface HostBreakGlass {
  readonly reason: string;
  readonly until: number;
}
/** What is known of the file beside its text. */
export interface HostFile {
  readonly text: string;
  readonly uid: number;
  readonly mode: number;
  /** When it was last written, epoch ms. */
  readonly writtenAt: number;
}

/**
 * Reads a host's break-glass file: two lines, `reason: …` and `until: 2026-11-22T12:00:00Z`. Whoever may write it lets any job
 * run, so it counts only where root owns it and nobody else can write it, for at most four hours from when it was written and
 * from now, whichever ends first (T16, T30). The answer is what it says, or what is wrong with it.
 */
export function readHostBreakGlass(file: HostFile, now: number): HostBreakGlass | { readonly problem: string } {
  if (file.uid !== 0) return { problem: 'it does not belong to root' };
  if ((file.mode & 0o022) !== 0) return { problem: 'others than root can write it: chmod 644 it' };
  const lines = new Map<string, string>();
  for (const line of file.text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const parts = /^([a-z]+): *(\S.*?) *$/.exec(line);
    const [, key = '', value = ''] = parts ?? [];
    if (parts === null || !['reason', 'until'].includes(key) || lines.has(key))
      return { problem: 'wanted two lines, "reason: WHY" and "until: 2026-11-22T12:00:00Z"' };
    lines.set(key, value);
  }
  const [reason = '', until = ''] = [lines.get('reason'), lines.get('until')];
  if (reason === '') return { problem: 'it gives no reason: add "reason: WHY"' };
  const end = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(until) ? Date.parse(until) : Number.NaN;
  if (Number.isNaN(end)) return { problem: 'it does not say until when: add "until: 2026-11-22T12:00:00Z"' };
  if (end <= now) return { problem: 'its time is over' };
  if (file.writtenAt > now) return { problem: 'it was written in the future: is the clock of this host right?' };
  if (end > file.writtenAt + HOST_GLASS_MAX_MS) return { problem: 'its end is more than 4 hours after it was written' };
  return { reason: reason.slice(0, 1_000), until: end };
}
