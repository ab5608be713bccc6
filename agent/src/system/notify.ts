import { spawn } from 'node:child_process';
import type { Clock } from '../ports/clock.ts';

/** Tells the service manager how the process is. */
export interface Notifier {
  /**
   * The service is up; `status` is what `systemctl status` shows. Starts the watchdog's signs of life: one is given only when the event
   * loop turns and `alive` resolves, so that a process that hangs, or waits for a store that never answers, is started anew.
   */
  ready(status: string, alive?: () => Promise<void>): Promise<void>;
  /** It finishes what is open first, and may take so long: the manager is asked to wait. */
  stopping(status: string, atMostMs: number): Promise<void>;
}

/** The call is local and small; a manager that does not take it must not hold up the service. */
const TIMEOUT_MS = 5_000;

/**
 * sd_notify needs a datagram socket, which Node does not have: systemd-notify sends for us (NotifyAccess=all in the unit).
 * Resolves with false when it could not be told; that never stops the service.
 */
function send(env: Readonly<Record<string, string | undefined>>, words: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const { NOTIFY_SOCKET = '', PATH = '/usr/bin:/bin' } = env;
    const child = spawn('systemd-notify', [...words], {
      env: { NOTIFY_SOCKET, PATH },
      stdio: 'ignore',
      timeout: TIMEOUT_MS,
    });
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
  });
}

/** A notifier for the manager that the environment names; one that does nothing where there is none. */
export function openNotifier(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
  clock: Clock,
  warn: (message: string) => void,
): Notifier {
  if (!env.NOTIFY_SOCKET) return { ready: async () => {}, stopping: async () => {} };
  let cancel = (): void => {};
  let told = true;
  const tell = async (...words: string[]): Promise<void> => {
    if (await send(env, words)) return;
    if (told) warn('the service manager could not be told: is systemd-notify installed?');
    told = false;
  };
  // Another process of the service may be the one that is watched.
  const watched = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid);
  const everyMs = watched ? Math.floor(Number(env.WATCHDOG_USEC ?? 0) / 1_000 / 2) : 0;
  let alive: () => Promise<void> = async () => {};
  let silent = false;
  let stopped = false;
  const sign = async (): Promise<void> => {
    try {
      await alive();
      silent = false;
      if (!stopped) await tell('WATCHDOG=1');
    } catch (error) {
      if (!silent) warn(`no sign of life to the watchdog: ${error instanceof Error ? error.message : String(error)}`);
      silent = true;
    }
    if (!stopped) beat();
  };
  const beat = (): void => {
    cancel = clock.after(everyMs, () => void sign());
  };
  return {
    ready: async (status, said) => {
      if (said !== undefined) alive = said;
      await tell('READY=1', `MAINPID=${pid}`, `STATUS=${status}`);
      if (everyMs > 0) beat();
    },
    stopping: async (status, atMostMs) => {
      stopped = true;
      cancel();
      await tell('STOPPING=1', `STATUS=${status}`, `EXTEND_TIMEOUT_USEC=${Math.ceil(atMostMs * 1_000)}`);
    },
  };
}
