import { crc32 } from 'node:zlib';
import type { RunnerHttp } from './http.ts';
import type { RunnerJob } from './payload.ts';

/** What GitLab wants of a job, as read from an answer. */
export type Wish = 'go-on' | 'cancel' | 'abort' | 'failed';

/** The runner's side of a job's log and state. */
export interface JobTrace {
  write(chunk: Buffer): void;
  /** The PUT that runners from 18.5 on send before they run anything. */
  accept(): Promise<Wish>;
  /** Starts sending; `stop` is told once each time GitLab asks for an end. */
  start(stop: (wish: 'cancel' | 'abort') => void): void;
  /** Sends the rest of the log and the final update. */
  finish(end: { state: 'success' | 'failed'; failureReason: string | null; exitCode: number | null }): Promise<void>;
  output(): Buffer;
  /** Sends nothing more. */
  close(): void;
}

const MAX_PATCH_BYTES = 1024 * 1024;
const MAX_INTERVAL_MS = 15 * 60_000;
/** Without a patch for so long the runner sends a PUT to be known alive. */
const FORCE_SEND_MS = 30_000;
const FINAL_TRIES = 10;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 3_600_000;

/** Makes the trace of one job; `info` goes with every update. */
export function createTrace(
  http: RunnerHttp,
  job: RunnerJob,
  info: object,
  pace: { readonly updateMs: number; readonly timeScale: number },
): JobTrace {
  let log: Buffer = Buffer.alloc(0);
  let sent = 0;
  let intervalMs = pace.updateMs;
  let lastSentAt = Date.now();
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let busy: Promise<void> = Promise.resolve();
  let wake: (() => void) | undefined;
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      if (closed) return resolve();
      const pause = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(pause);
        resolve();
      };
    });
  const heedInterval = (seconds: unknown) => {
    const told = Number(seconds);
    if (Number.isInteger(told) && told > 0) intervalMs = Math.min(MAX_INTERVAL_MS, told * 1000) * pace.timeScale;
  };

  async function patch(): Promise<Wish | 'gone'> {
    const content = log.subarray(sent, sent + MAX_PATCH_BYTES);
    if (content.length === 0) return 'go-on';
    const reply = await http.call({
      method: 'PATCH',
      path: `jobs/${job.id}/trace?debug_trace=false`,
      headers: {
        'Content-Type': 'text/plain',
        'Content-Range': `${sent}-${sent + content.length - 1}`,
        'JOB-TOKEN': job.token,
      },
      body: content,
    });
    lastSentAt = Date.now();
    heedInterval(reply.headers['x-gitlab-trace-update-interval']);
    const wish = wishOf(reply.status, reply.headers['job-status']);
    if (wish === 'abort') return 'abort';
    if (reply.status === 202) sent += content.length;
    // The runner believes the server and skips bytes of its own (T42).
    else if (reply.status === 416) sent = Number(String(reply.headers.range ?? '').split('-')[1] ?? '') || 0;
    else if (reply.status === 404) return 'gone';
    else return 'failed';
    return wish;
  }

  async function put(state: object): Promise<{ wish: Wish; status: number; waitS: number }> {
    const reply = await http.call({
      method: 'PUT',
      path: `jobs/${job.id}`,
      headers: { 'Content-Type': 'application/json', 'JOB-TOKEN': job.token },
      body: JSON.stringify({ info, token: job.token, ...state }),
    });
    lastSentAt = Date.now();
    const wish = reply.status === 404 ? 'abort' : wishOf(reply.status, reply.headers['job-status']);
    const fine = [200, 202, 412].includes(reply.status) || wish !== 'go-on';
    const waitS = Number(reply.headers['x-gitlab-trace-update-interval'] ?? 1) || 1;
    return { wish: fine ? wish : 'failed', status: reply.status, waitS };
  }

  async function finalPatches(): Promise<boolean> {
    let tries = 0;
    while (sent < log.length && !closed) {
      const wish = await patch();
      if (wish === 'abort') return false;
      if (wish === 'gone') return true;
      if (wish !== 'failed') continue;
      tries += 1;
      if (tries > FINAL_TRIES) return true;
      await sleep(backoffMs(tries));
    }
    return true;
  }
  const backoffMs = (tries: number) => Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (tries - 1)) * pace.timeScale;

  return {
    write(chunk) {
      log = Buffer.concat([log, chunk]);
    },
    output: () => log,
    accept: async () => (await put({ state: 'running' })).wish,
    start(stop) {
      const tick = () => {
        busy = round().then(() => {
          if (!closed) timer = setTimeout(tick, intervalMs);
        });
      };
      async function round(): Promise<void> {
        const quiet = Date.now() - lastSentAt >= FORCE_SEND_MS * pace.timeScale;
        if (sent >= log.length && !quiet) return;
        const wish = sent < log.length ? await patch() : (await put({ state: 'running' })).wish;
        if (wish === 'cancel' || wish === 'abort') stop(wish);
      }
      timer = setTimeout(tick, intervalMs);
    },
    async finish(end) {
      clearTimeout(timer);
      const going = busy;
      await going;
      clearTimeout(timer);
      let tries = 0;
      for (;;) {
        if (closed || !(await finalPatches()) || closed) return;
        const checksum = `crc32:${(crc32(log) >>> 0).toString(16).padStart(8, '0')}`;
        const answer = await put({
          state: end.state,
          ...(end.failureReason === null ? {} : { failure_reason: end.failureReason }),
          ...(end.exitCode === null ? {} : { exit_code: end.exitCode }),
          checksum,
          output: { checksum, bytesize: log.length },
        });
        if (answer.status === 412) sent = 0;
        else if (answer.status === 202) await sleep(Math.min(MAX_INTERVAL_MS, answer.waitS * 1000) * pace.timeScale);
        else if (answer.wish !== 'failed') return;
        tries += answer.status === 202 ? 0 : 1;
        if (tries >= FINAL_TRIES) return;
        if (answer.wish === 'failed') await sleep(backoffMs(tries));
      }
    },
    close() {
      closed = true;
      clearTimeout(timer);
      wake?.();
    },
  };
}

function wishOf(status: number, jobStatus: unknown): Wish {
  if (status === 403 || jobStatus === 'canceled' || jobStatus === 'failed') return 'abort';
  return jobStatus === 'canceling' ? 'cancel' : 'go-on';
}
