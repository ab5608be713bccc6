import { type DestinationStream, pino } from 'pino';
import { printable } from '../domain/printable.ts';
import { redactTokens } from '../domain/redact.ts';
import type { Log } from '../ports/log.ts';

/** How much is logged, and in which form. */
export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
  /** Where whole lines go; standard error unless said otherwise, so that standard output stays the command's answer. */
  readonly write?: (line: string) => void;
}

/** Names of fields whose value is never logged, whatever it is: whoever adds a field cannot leak by it (T32). */
const SECRET_FIELD =
  /token|secret|passw|authorization|cookie|private_?key|variable_?key|seal_?key|payload|bytes|headers?$|body$|jwt|credential/i;
/** Numbers and times under such a name say nothing: `tokenId`, `bodyBytes`, `payloadBytes`. */
const HARMLESS = new Set(['number', 'boolean', 'undefined']);
/** Deeper than any field of ours; what lies below is somebody else's object. */
const MAX_DEPTH = 5;
/** A line stays readable, and an endless string out of the journal. */
const MAX_TEXT = 2_000;

function text(value: string): string {
  const safe = redactTokens(value);
  return safe.length > MAX_TEXT ? `${safe.slice(0, MAX_TEXT)}…` : safe;
}

/** A field as it may be logged: tokens taken out, errors as code and message without stack, depth and length bounded. */
function field(name: string, value: unknown, depth: number): unknown {
  if (value === null || HARMLESS.has(typeof value)) return value;
  if (SECRET_FIELD.test(name)) return '[redacted]';
  if (typeof value === 'string') return text(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return `[${typeof value}]`;
  if (value instanceof Error) {
    const { code } = value as { code?: unknown };
    return {
      name: value.name,
      ...((typeof code === 'string' || typeof code === 'number') && { code }),
      message: text(value.message),
      ...(value.cause !== undefined && depth < MAX_DEPTH && { cause: field('cause', value.cause, depth + 1) }),
    };
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid time' : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return '[bytes]';
  if (depth >= MAX_DEPTH) return '[object]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => field('', item, depth + 1));
  return fieldsOf(value as Record<string, unknown>, depth + 1);
}

function fieldsOf(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, field(name, value, depth)]));
}

/** `2026-11-22T10:04:05.678Z warn  the sentence hold=12 error={"code":…}`: one line, nothing in it moves the terminal (T33). */
function plainLine(json: string): string {
  const { level, time, msg, ...rest } = JSON.parse(json) as { level: string; time: string; msg?: string };
  const words = Object.entries(rest).map(([name, value]) => {
    const shown = typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
    return ` ${printable(`${name}=${shown}`)}`;
  });
  return `${time} ${level.padEnd(5)} ${printable(msg ?? '')}${words.join('')}\n`;
}

/** A Log that writes each entry as one line; what is secret by name or by shape cannot get into it. */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const sink: DestinationStream = {
    write: (line) => write(options.format === 'json' ? line : plainLine(line)),
  };
  const root = pino(
    {
      level: options.level,
      // No pid and host name: the journal knows them.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
  const wrap = (bound: Record<string, unknown>): Log => {
    const entry =
      (level: LogOptions['level']) =>
      (fields: Record<string, unknown>, message: string): void => {
        // Reading a field of somebody else's object can throw; a log never does.
        if (root.isLevelEnabled(level)) root[level]({ ...bound, ...fieldsOf(fields, 0) }, text(message));
      };
    return {
      debug: entry('debug'),
      info: entry('info'),
      warn: entry('warn'),
      error: entry('error'),
      child: (fields) => wrap({ ...bound, ...fieldsOf(fields, 0) }),
    };
  };
  return wrap({});
}
