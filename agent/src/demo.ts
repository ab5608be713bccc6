/** `holdpoint demo`: everything real but GitLab, which is a fake on a real port; nothing leaves this machine. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type DemoJob, demoJobs } from '../../test/support/demo-jobs.ts';
import { type DemoWorld, openDemoWorld } from '../../test/support/demo-world.ts';
import type { ScriptedRunner } from '../../test/support/scripted-runner.ts';
import { HoldpointError } from './domain/errors.ts';
import { printable } from './domain/printable.ts';
import { type HoldDetail, holdDetailSchema, holdSchema } from './wire/api.ts';

/** How the demo is run. */
export interface DemoOptions {
  /** Approves by itself, checks the outcome and ends, within a minute. */
  readonly auto: boolean;
  readonly color: boolean;
  /** Leaves the temporary folder (agent.yml, database, log) where it is. */
  readonly keep: boolean;
  /** Milliseconds that `auto` may take; default a minute. */
  readonly limitMs?: number;
}
/** The terminal as the demo sees it, so that a test can be one. */
export interface DemoIo {
  out(text: string): void | Promise<void>;
  /** Aborted by Ctrl-C. */
  readonly stop: AbortSignal;
  /** Tells each key that is pressed and answers how to stop; null where standard input is no terminal. */
  readonly keys: ((listener: (key: string) => void) => () => void) | null;
}

const AUTO_LIMIT_MS = 60_000;
/** How often a state is read again if the websocket tells nothing. */
const LOOK_MS = 250;
const INTERRUPTED = 130;

/** Runs the demo to its end: 0 when all happened as told, 1 with the reason otherwise, 130 after Ctrl-C. */
export async function demo(options: DemoOptions, io: DemoIo): Promise<number> {
  const limitMs = options.limitMs ?? AUTO_LIMIT_MS;
  const stop = options.auto ? AbortSignal.any([io.stop, AbortSignal.timeout(limitMs)]) : io.stop;
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-demo-'));
  const closing: (() => unknown)[] = [];
  const title = 'Holdpoint between two runners and a GitLab (a fake one), all on this machine. Ctrl-C ends it.';
  await io.out(`${painter(options)(1, title)}\n`);
  try {
    const world = await openDemoWorld(folder, closing);
    await tell(world, options, io, stop);
    return 0;
  } catch (error) {
    if (io.stop.aborted) {
      await io.out('\nStopped.\n');
      return INTERRUPTED;
    }
    const reason = stop.aborted ? `not done within ${limitMs / 1000} s: ${words(error)}` : words(error);
    await io.out(`\nThe demo failed: ${reason}\n${lastLogLines(folder)}`);
    return 1;
  } finally {
    for (const close of closing.reverse()) await close();
    if (options.keep) await io.out(`Kept: ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

function words(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

function lastLogLines(folder: string): string {
  try {
    return readFileSync(join(folder, 'agent.log'), 'utf8').split('\n').slice(-12).join('\n');
  } catch {
    return ''; // it failed before the agent said anything
  }
}

function painter({ color }: DemoOptions): (code: number, text: string) => string {
  return (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
}

const TONES: Readonly<Record<string, number>> = {
  waiting_for_approval: 33,
  pending: 36,
  running: 34,
  success: 32,
  failed: 31,
  rejected: 31,
};

/** What happens, in order; throws where it did not. */
async function tell(world: DemoWorld, options: DemoOptions, io: DemoIo, stop: AbortSignal): Promise<void> {
  const jobs = demoJobs();
  const paint = painter(options);
  const say = async (text: string) => io.out(`${text}\n`);
  const state = (word: string) => paint(TONES[word] ?? 0, word);
  const enqueue = (job: DemoJob, runner: string) => world.gitlab.enqueue(job.payload, { ...job.options, runner });
  const path = (hold: number) => world.watch.seen(hold).map(state).join(' → ');
  const reach = (id: number, wanted: readonly string[]) => holdOf(world, id, wanted, stop);

  const tests = enqueue(jobs.tests, world.tokens.open);
  await ended(world, world.open, tests, stop);
  await say(`1. test:unit on a runner that is not protected: not gated.  ${state(world.gitlab.job(tests).status)}`);

  const known = enqueue(jobs.known, world.tokens.guarded);
  const first = await reach(known, ['waiting_for_approval']);
  await approve(world, first);
  await reach(known, ['success']);
  await say(
    `2. deploy:production on a protected runner; Maria, a maintainer, approves ${short(first.digest)}.\n   ${path(first.id)}`,
  );

  const again = enqueue(jobs.again, world.tokens.guarded);
  await ended(world, world.guarded, again, stop);
  const passed = await reach(again, ['success']);
  await say(`3. The same job after another push by somebody else: same digest, approved.  ${path(passed.id)}`);

  const changed = enqueue(jobs.changed, world.tokens.guarded);
  const waiting = await reach(changed, ['waiting_for_approval']);
  if (waiting.digest === first.digest) throw new Error('a changed script line left the digest as it was');
  await say(`4. The same job once more, but a line of its script changed:  ${state(waiting.state)}`);
  for (const change of waiting.diff.changes.slice(0, 4)) {
    await say(`   ${printable(change.words)}`);
    if (change.before !== null) await say(paint(31, `     - ${printable(change.before)}`));
    if (change.after !== null) await say(paint(32, `     + ${printable(change.after)}`));
  }
  await say('   For GitLab it is running; the runner has not seen it and is free for other jobs.');

  if (!(await decide(world, waiting, options, io, stop, jobs.changedOutput))) return say('   Ended; it never ran.');
  const done = await reach(changed, ['success', 'rejected']);
  if (done.state === 'rejected') return say(`   ${state('rejected')}: it never ran.`);
  await ended(world, world.guarded, changed, stop);
  await say(`   Resumed over the websocket:  ${path(done.id)}`);
  for (const line of outputOf(world, changed)) await say(`     | ${line}`);
  check(world, changed, done.id, jobs.changedOutput);
  await say(
    `Done: it ran once, after the approval and not before. ${options.auto ? 'All checks passed.' : ''}`.trimEnd(),
  );
}

const short = (digest: string) => `${digest.slice(0, 'sha256:'.length + 12)}…`;

/** The Hold of a GitLab job, once it is in one of these states; any other final state is an error. */
async function holdOf(
  world: DemoWorld,
  jobId: number,
  wanted: readonly string[],
  stop: AbortSignal,
): Promise<HoldDetail> {
  for (let last = 'no Hold yet'; ; await world.watch.next(LOOK_MS, stop)) {
    if (stop.aborted) throw new Error(`job ${jobId} was to be ${wanted.join(' or ')}; last seen: ${last}`);
    const hold = (await world.hub.list('/api/v1/holds', holdSchema)).find((one) => one.job_id === jobId);
    if (hold === undefined) continue;
    last = hold.reason === null ? hold.state : `${hold.state} (${hold.reason})`;
    world.watch.note(hold.id, hold.state);
    if (wanted.includes(hold.state)) return world.hub.get(`/api/v1/holds/${hold.id}`, holdDetailSchema);
    if (['failed', 'canceled', 'expired', 'rejected'].includes(hold.state)) throw new Error(`job ${jobId}: ${last}`);
  }
}

/** Waits until the runner is through with a job and GitLab calls it a success. */
async function ended(world: DemoWorld, runner: ScriptedRunner, id: number, stop: AbortSignal): Promise<void> {
  while (!runner.finished.some((job) => job.jobId === id)) {
    if (stop.aborted) throw new Error(`job ${id} did not end; GitLab says ${world.gitlab.job(id).status}`);
    await world.watch.next(LOOK_MS, stop);
  }
  const { status, failureReason } = world.gitlab.job(id);
  if (status !== 'success') throw new Error(`job ${id} ended as ${status} (${failureReason})`);
}

async function approve(world: DemoWorld, hold: HoldDetail): Promise<void> {
  await world.hub.post(`/api/v1/holds/${hold.id}/approve`, z.unknown(), { digest: hold.digest, comment: 'demo' });
}

/** Has the Hold decided: by itself, by a key, or by whoever types the printed command; false when nobody wants to wait. */
async function decide(
  world: DemoWorld,
  hold: HoldDetail,
  options: DemoOptions,
  io: DemoIo,
  stop: AbortSignal,
  output: string,
): Promise<boolean> {
  if (world.guarded.started.some((job) => job.jobId === hold.job_id)) throw new Error('it ran before it was approved');
  if (world.gitlab.job(hold.job_id).trace.includes(output)) throw new Error('its output is there before the approval');
  if (options.auto) {
    await io.out('   --auto: Maria approves exactly this digest over the HTTP API.\n');
    await approve(world, hold);
    return true;
  }
  const main = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
  const environment = `HOLDPOINT_HUB_URL=${world.hub.url} HOLDPOINT_TOKEN_FILE=${quoted(world.tokenFile)}`;
  const command = `${environment} node ${quoted(main)} approve ${hold.id} --digest ${hold.digest}`;
  const key = io.keys === null ? '' : '   Press a to approve it as Maria, q to end.\n';
  await io.out(`   It is Hold ${hold.id}: ${hold.url}\n${key}   To approve it in a second terminal:\n\n${command}\n\n`);
  const pressed: string[] = [];
  const release = io.keys?.((one) => pressed.push(one)) ?? (() => undefined);
  try {
    while (!stop.aborted) {
      const now = await world.hub.get(`/api/v1/holds/${hold.id}`, holdDetailSchema);
      if (now.state !== 'waiting_for_approval') return true;
      const one = pressed.shift();
      if (one === 'q') return false;
      if (one === 'a') {
        await approve(world, hold).catch(unlessDecided);
        await io.out('   Maria approves.\n');
      } else await world.watch.next(LOOK_MS, stop);
    }
    throw new Error('stopped while it was waiting_for_approval');
  } finally {
    release();
  }
}

/** Somebody else was quicker: no error. */
function unlessDecided(error: unknown): void {
  if (!(error instanceof HoldpointError && error.code === 'wrong_state')) throw error;
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What the job's own commands wrote into the log, without the lines that only name them. */
function outputOf(world: DemoWorld, id: number): readonly string[] {
  const job = world.guarded.finished.find((one) => one.jobId === id);
  const lines = (job?.output ?? '').split(/\r?\n/).filter((line) => line !== '' && !line.includes('\u001b['));
  return lines.slice(1, -1).map(printable);
}

/** What --auto promises: throws what is not so. */
function check(world: DemoWorld, id: number, hold: number, output: string): void {
  const runs = world.guarded.started.filter((job) => job.jobId === id).length;
  if (runs !== 1) throw new Error(`the job ran ${runs} times, not once`);
  if (!world.gitlab.job(id).trace.split(/\r?\n/).includes(output)) {
    throw new Error("the changed line's output is not in GitLab's job log");
  }
  const seen = world.watch.seen(hold);
  const missing = ['waiting_for_approval', 'pending', 'running', 'success'].filter((word) => !seen.includes(word));
  if (missing.length > 0) throw new Error(`states not seen: ${missing.join(', ')}; seen: ${seen.join(', ')}`);
}

/** The demo on this process's own terminal; `color` and `keep` default to what fits. */
export async function runDemo(options: {
  readonly auto: boolean;
  readonly stop: AbortSignal;
  readonly color?: boolean;
  readonly keep?: boolean;
}): Promise<number> {
  const { stdin, stdout } = process;
  const { auto, stop, color = stdout.isTTY === true && !process.env.NO_COLOR, keep = false } = options;
  const out = (text: string) => void stdout.write(text);
  return demo({ auto, color, keep }, { out, stop, keys: stdin.isTTY && !auto ? keysOf(stdin) : null });
}

function keysOf(stdin: NodeJS.ReadStream): DemoIo['keys'] {
  return (listener) => {
    const read = (chunk: Buffer) => {
      // Without line editing the terminal does not turn Ctrl-C into a signal.
      for (const key of chunk.toString('utf8')) key === '\u0003' ? process.kill(process.pid, 'SIGINT') : listener(key);
    };
    stdin.setRawMode(true).on('data', read).resume();
    return () => void stdin.off('data', read).setRawMode(false).pause();
  };
}
