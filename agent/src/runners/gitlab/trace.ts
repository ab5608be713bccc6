/**
 * The runner counts its log from 0; notes of the agent stand before it. So what the runner says moves up by their size
 * and what GitLab says moves down: without that a 416 makes the runner skip its own first bytes (T42).
 */

/** `Content-Range: <start>-<end>` of a patch, moved up by `by` bytes; null for one that GitLab would not understand either. */
export function shiftContentRange(value: string, by: number): string | null {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(value.trim());
  if (match === null) return null;
  return `${Number(match[1]) + by}-${Number(match[2]) + by}`;
}

/** `Range: 0-<size>` of an answer, moved down by `by` bytes and never below 0; another text stays as it is. */
export function unshiftRange(value: string, by: number): string {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(value.trim());
  if (match === null) return value;
  return `${match[1]}-${Math.max(0, Number(match[2]) - by)}`;
}

/** The size that GitLab names in a `Range`; null when it names none. */
export function sizeInRange(value: string | null): number | null {
  const match = /^[0-9]{1,15}-([0-9]{1,15})$/.exec(value?.trim() ?? '');
  return match === null ? null : Number(match[1]);
}

/**
 * A final update without what it says of the log: checksum and size are of the runner's part alone, and GitLab compares
 * them with the whole. It takes the end of a log without them. The text as it was when there is nothing to take out.
 */
export function withoutLogChecksum(body: Record<string, unknown>): Record<string, unknown> {
  const { output: _output, checksum: _checksum, ...rest } = body;
  return rest;
}
