import { type ChildProcess, type ForkOptions, fork, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const children = new Set<ChildProcess>();
const folders: (() => void)[] = [];

/** Something to be taken away at the end, whatever happens. */
export function atEnd(clean: () => void): void {
  folders.push(clean);
}

function keep(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Starts a program; it is ended with this process. */
export function start(command: string, args: readonly string[], options: Parameters<typeof spawn>[2]): ChildProcess {
  return keep(spawn(command, args, options));
}

/** A module of this folder as a process of its own, which answers each message with one. */
export interface Worker {
  readonly pid: number;
  /** Sends a question; the next answer that is none of an event is its answer. */
  ask<T>(question: object): Promise<T>;
  /** What it tells unasked: messages with `event`. */
  onEvent(listener: (event: Record<string, unknown>) => void): void;
  end(): Promise<void>;
}

export async function worker(module: string, options: ForkOptions = {}): Promise<Worker> {
  const child = keep(fork(fileURLToPath(new URL(`./${module}.js`, import.meta.url)), [], { execArgv: [], ...options }));
  const waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
  const listeners: ((event: Record<string, unknown>) => void)[] = [];
  child.on('message', (message: Record<string, unknown>) => {
    if ('event' in message) for (const listener of listeners) listener(message);
    else waiting.shift()?.resolve(message.answer);
  });
  child.on('exit', (code) => {
    for (const each of waiting.splice(0)) each.reject(new Error(`${module} ended with ${code}`));
  });
  const self: Worker = {
    pid: child.pid!,
    ask: <T>(question: object) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({ resolve: resolve as (answer: unknown) => void, reject });
        child.send(question);
      }),
    onEvent: (listener) => void listeners.push(listener),
    end: () => ended(child),
  };
  await self.ask({ kind: 'hello' });
  return self;
}

/** Ends one process and waits for it. */
export function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}

/** Ends everything that was started here. */
export async function endAll(): Promise<void> {
  await Promise.all([...children].map((child) => ended(child)));
  for (const clean of folders.splice(0).reverse()) clean();
}

/** The process and its children, e.g. nginx with its workers. */
export function family(pid: number): number[] {
  const found = [pid];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]) === pid) found.push(Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Ticks of the kernel's clock per second, as Linux tells them to programs. */
const TICKS = 100;

/** Seconds of processor time that these processes have used, in user and kernel mode. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

function memory(pids: readonly number[], field: 'VmRSS' | 'VmHWM'): number {
  let kib = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    kib += Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  }
  return kib / 1024;
}

/** MiB that these processes have in memory now. */
export const residentMib = (pids: readonly number[]): number => memory(pids, 'VmRSS');

/** MiB that these processes had at most since `forgetPeak`. */
export const peakMib = (pids: readonly number[]): number => memory(pids, 'VmHWM');

/** The peak starts anew from what is in memory now. */
export function forgetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
