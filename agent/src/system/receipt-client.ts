import { request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Receipts, SpendAnswer, SpentReceipt } from '../ports/receipts.ts';
import {
  PATHS,
  type ReceiptRow,
  RUNNER_HEADER,
  receiptAnswerSchema,
  receiptListSchema,
  SESSION_HEADER,
} from '../wire/receipts.ts';

export interface ReceiptClientOptions {
  readonly socket: string;
  /** The runner that this executor serves: a receipt for another one is refused. Null: whichever it was handed to. */
  readonly runner?: string | null;
  /** How long an agent that is not there is waited for: it is back seconds after a restart. */
  readonly patienceMs?: number;
}

/** Receipts as the socket gives them, and what only people ask for. */
export interface ReceiptClient extends Receipts {
  check(jobId: number, token: string): Promise<SpendAnswer>;
  list(): Promise<readonly ReceiptRow[]>;
}

const ANSWER_MS = 60_000;
/** An upgrade of the agent stops and starts it: its drain, and the start. */
const PATIENCE_MS = 90_000;
const RETRY_MS = 250;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Nobody listens there, or nobody yet: it may be on its way up, or others stand before this one. */
const COMING: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAGAIN']);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'no answer';

/** The agent of this host, asked over its socket. */
export function createReceiptClient(options: ReceiptClientOptions): ReceiptClient {
  const { socket, runner = null, patienceMs = PATIENCE_MS } = options;

  const once = (method: string, path: string, headers: Record<string, string>, body: Uint8Array): Promise<string> =>
    new Promise((resolve, reject) => {
      const req = request({ socketPath: socket, method, path, headers: { ...headers, Connection: 'close' } }, (res) => {
        const chunks: Buffer[] = [];
        let size = 0;
        res.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) res.destroy(new Error('an answer that is too long'));
          else chunks.push(chunk);
        });
        res.on('end', () => resolve(Buffer.concat(chunks).toString()));
        res.on('error', reject);
      });
      req.setTimeout(ANSWER_MS, () => req.destroy(new Error('no answer in time')));
      req.on('error', reject);
      req.end(method === 'POST' ? body : undefined);
    });

  /** Asked again while nobody listens: every question may be asked twice. */
  const ask = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Uint8Array = new Uint8Array(),
    cancel?: AbortSignal,
  ): Promise<string> => {
    const until = performance.now() + patienceMs;
    for (;;) {
      try {
        return await once(method, path, headers, body);
      } catch (error) {
        if (!COMING.has(codeOf(error)) || performance.now() > until) throw error;
      }
      await wait(RETRY_MS, undefined, cancel === undefined ? {} : { signal: cancel });
    }
  };

  const asked = async (
    path: string,
    headers: Record<string, string>,
    body?: Uint8Array,
    cancel?: AbortSignal,
  ): Promise<{ ok: true; receipt: SpentReceipt | null } | Extract<SpendAnswer, { ok: false }>> => {
    try {
      return receiptAnswerSchema.parse(JSON.parse(await ask('POST', path, headers, body, cancel)));
    } catch (error) {
      const words = `the agent of this host cannot be asked at ${socket} (${codeOf(error)}): see "systemctl status holdpoint-agent", and receipts.socket in agent.yml`;
      return { ok: false, refusal: 'unreachable', words };
    }
  };
  const whole = (answer: Awaited<ReturnType<typeof asked>>): SpendAnswer =>
    answer.ok && answer.receipt === null
      ? {
          ok: false,
          refusal: 'unreachable',
          words: `what answers at ${socket} is no agent of this version: update both`,
        }
      : (answer as SpendAnswer);

  return {
    async spend(jobResponse, session, cancel) {
      const named = runner === null ? {} : { [RUNNER_HEADER]: encodeURIComponent(runner) };
      return whole(await asked(PATHS.spend, { [SESSION_HEADER]: session, ...named }, jobResponse, cancel));
    },
    async finish(session) {
      await asked(PATHS.finish, { [SESSION_HEADER]: session });
    },
    async check(jobId, token) {
      return whole(await asked(PATHS.check, {}, Buffer.from(JSON.stringify({ job_id: jobId, token }))));
    },
    async list() {
      return receiptListSchema.parse(JSON.parse(await ask('GET', PATHS.list, {}))).items;
    },
  };
}
