import { closeSync, openSync, readSync } from 'node:fs';
import { systemErrorWords } from '../config/system-error.ts';
import { type AuditRow, verifyChain } from '../domain/audit.ts';
import { HoldpointError } from '../domain/errors.ts';
import { auditRowSchema } from '../wire/api.ts';
import { configurationOf } from '../domain/shown-configuration.ts';

/** Far above a row with its detail; keeps a file that is one endless line out of memory. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Lines of a file, or of standard input for `-`, read piece by piece; the last may lack its line feed. */
function* linesOf(path: string, name: string): Generator<string> {
  const chunk = Buffer.alloc(256 * 1024);
  let file: number | null = null;
  try {
    file = path === '-' ? 0 : openSync(path, 'r');
    let rest = Buffer.alloc(0);
    for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
      rest = Buffer.concat([rest, chunk.subarray(0, size)]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield rest.subarray(0, end).toString('utf8');
        rest = rest.subarray(end + 1);
      }
      if (rest.length > MAX_LINE_BYTES)
        throw new HoldpointError('bad_input', `${name} is no audit export: a line is too long`);
    }
    if (rest.length > 0) yield rest.toString('utf8');
  } catch (error) {
    if (error instanceof HoldpointError) throw error;
    throw new HoldpointError('bad_input', `cannot read ${name}: ${systemErrorWords(error)}`, { cause: error });
  } finally {
    if (file !== null && file !== 0) closeSync(file);
  }
}

/** One line as a row. What reads differently from how it is written (a key twice, `1.0`) would show one thing and hash another (T2). */
function rowOf(line: string, number: number): AuditRow {
  const broken = (why: string) => new HoldpointError('audit_broken', `line ${number} of the export ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw broken('is not JSON: it was changed or cut off');
  }
  if (JSON.stringify(value) !== line) throw broken('is not written as an export writes it: it was changed');
  const result = auditRowSchema.safeParse(value);
  if (!result.success) throw broken('is no audit row: it was changed');
  const { at, detail: _, ...rest } = result.data;
  // As it stands in the line: a schema may drop a key such as `__proto__`, and the hash covers it.
  const detail = configurationOf((value as { detail: unknown }).detail);
  if (detail === null) throw broken('is no audit row: it was changed');
  return { ...rest, at: Date.parse(at), detail };
}

/** What a check of an export found. */
export interface AuditReport {
  readonly rows: number;
  /** Number and hash of the last row: kept elsewhere, they prove later that nothing was cut off. */
  readonly head: { readonly seq: number; readonly hash: string };
}

/** Checks an export by itself, without a hub; throws `audit_broken` with the first row that does not fit (T34). */
export function verifyAuditFile(path: string, name: string, head: AuditReport['head'] | null): AuditReport {
  let rows = 0;
  function* counted(): Generator<AuditRow> {
    for (const line of linesOf(path, name)) {
      if (line === '') continue;
      rows += 1;
      yield rowOf(line, rows);
    }
  }
  const report = verifyChain(counted(), head);
  if (!report.ok) throw new HoldpointError('audit_broken', report.message);
  if (rows === 0) throw new HoldpointError('bad_input', `${name} has no row in it: nothing to verify`);
  return { rows, head: report.head };
}
