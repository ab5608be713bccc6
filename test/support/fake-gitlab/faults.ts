import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Answer } from './state.ts';
import type { FaultRule } from './types.ts';

/** Rules in the order they were made; each strike counts. */
export interface Faults {
  add(rule: FaultRule): () => void;
  /** The rule that strikes this request, counted as used. */
  strike(method: string, path: string): FaultRule | null;
}

/** Makes an empty set of rules. */
export function createFaults(): Faults {
  const rules = new Map<FaultRule, number>();
  return {
    add(rule) {
      rules.set(rule, rule.times ?? Number.POSITIVE_INFINITY);
      return () => rules.delete(rule);
    },
    strike(method, path) {
      for (const [rule, left] of rules) {
        if (left <= 0 || !rule.match(method, path)) continue;
        rules.set(rule, left - 1);
        return rule;
      }
      return null;
    },
  };
}

const HUGE_BYTES = 64 * 1024 * 1024;

async function* hugeJson(bytes: number): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{"id":1,"token":"x","variables":[{"key":"BIG","value":"');
  const block = Buffer.alloc(65_536, 'a');
  for (let sent = 0; sent < bytes; sent += block.length) yield block;
  yield Buffer.from('"}]}');
}

/**
 * What a rule answers without anything being done, `undefined` if the request is to be done first.
 * null: there is no answer, the connection was dealt with.
 */
export function answerInstead(
  rule: FaultRule,
  response: ServerResponse,
  last: Uint8Array | null,
): Answer | null | undefined {
  const headers = rule.headers ?? {};
  switch (rule.how) {
    case 'status':
      return { status: rule.status ?? 500, headers, body: rule.body ?? '' };
    case 'redirect':
      return { status: rule.status ?? 307, headers, body: rule.body ?? '' };
    case 'duplicate':
      return { status: 201, headers: { 'Content-Type': 'application/json' }, body: last ?? '{}' };
    case 'huge':
      return { status: 201, headers: { 'Content-Type': 'application/json' }, body: hugeJson(rule.bytes ?? HUGE_BYTES) };
    case 'reset':
      response.socket?.resetAndDestroy();
      return null;
    case 'hang':
      return null;
    case 'garbage':
      response.socket?.end(rule.body ?? 'SSH-2.0-OpenSSH_9.2\r\nthis is not HTTP\r\n');
      return null;
    case 'close-after-assign':
    case 'truncate':
    case 'cut-json':
    case 'slow':
    case 'delay':
    case 'content-type':
    case 'late-read':
      return undefined;
    default:
      return rule.how satisfies never;
  }
}

/** Writes an answer, spoiled as the rule says; gives the status that stood on the wire, 0 for none. */
export async function deliver(response: ServerResponse, answer: Answer, rule: FaultRule | null): Promise<number> {
  const { body = '' } = answer;
  const headers: Record<string, string> = { ...answer.headers };
  if (rule?.how === 'close-after-assign') {
    response.socket?.destroy();
    return 0;
  }
  if (rule?.how === 'delay') await wait(rule.delayMs ?? 100, undefined, { ref: false });
  if (rule?.how === 'content-type') {
    headers['Content-Type'] = 'text/html';
    Object.assign(headers, rule.headers);
  }
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    response.writeHead(answer.status, headers);
    await pour(response, body);
    return answer.status;
  }
  let bytes: Uint8Array = Buffer.from(body);
  if (rule?.how === 'cut-json') bytes = bytes.subarray(0, Math.floor(bytes.length / 2));
  if (answer.status !== 204) headers['Content-Length'] = String(bytes.length);
  response.writeHead(answer.status, headers);
  if (rule?.how === 'truncate') {
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.socket?.destroy());
    return answer.status;
  }
  if (rule?.how === 'slow') await drip(response, bytes, rule.delayMs ?? 500);
  response.end(rule?.how === 'slow' ? undefined : bytes);
  return answer.status;
}

/** Slices of a dripping answer: enough that no single read sees it whole. */
const DRIPS = 20;

async function drip(response: ServerResponse, bytes: Uint8Array, overMs: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes.length / DRIPS));
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    response.write(bytes.subarray(at, at + size));
    await wait(overMs / DRIPS, undefined, { ref: false });
  }
}

async function pour(response: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    if (response.destroyed) return;
    if (response.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const done = () => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }
  response.end();
}
