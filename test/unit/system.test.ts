import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Clock } from '../../agent/src/ports/clock.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { createLog, type LogOptions } from '../../agent/src/system/log.ts';
import { openNotifier } from '../../agent/src/system/notify.ts';

function logged(options: Partial<LogOptions>, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = '';
  const log = createLog({
    level: 'debug',
    format: 'json',
    write: (line) => {
      text += line;
    },
    ...options,
  });
  write(log);
  return text;
}

describe('the log', () => {
  it('writes one JSON object a line with time, level, sentence and fields', () => {
    const text = logged({}, (log) => log.child({ runner: 'shell' }).info({ hold: 12, state: 'pending' }, 'released'));
    expect(text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      runner: 'shell',
      hold: 12,
      state: 'pending',
      msg: 'released',
    });
  });

  it('writes plain lines as text, and nothing below its level', () => {
    const text = logged({ format: 'text', level: 'warn' }, (log) => {
      log.debug({}, 'no');
      log.info({}, 'no');
      log.warn({ hold: 12, name: 'two words' }, 'slow');
    });
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z warn {2}slow hold=12 name="two words"\n$/);
  });

  it('has no token, key or payload in it, by the name of the field or by the shape of the text (T24, T32)', () => {
    const secrets = [
      'glrt-t1_AbCdEfGhIjKlMnOp',
      'glcbt-64_AbCdEfGhIjKlMnOpQr',
      'hp_AbCdEfGhIjKlMnOpQrSt',
      'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
      'plain-Secret-77',
    ];
    for (const format of ['json', 'text'] as const) {
      const text = logged({ format }, (log) => {
        for (const secret of secrets.slice(0, 4)) {
          log.info({ url: `https://x/?a=${secret}`, deep: { list: [secret] } }, `sentence ${secret}`);
          log.error({ error: new Error(`cause ${secret}`, { cause: new Error(secret) }) }, 'failed');
        }
        for (const name of [
          'token',
          'private_token',
          'JOB-TOKEN',
          'password',
          'authorization',
          'cookie',
          'variableKey',
          'sealKey',
          'payload',
          'requestBody',
          'headers',
          'jwt',
        ]) {
          log.child({ [name]: secrets[4] }).info({ [name]: secrets[4], inner: { [name]: { value: secrets[4] } } }, 'x');
        }
        log.info({ data: Buffer.from(secrets[4]!), more: new Uint8Array([112, 108]) }, 'bytes');
      });
      for (const secret of secrets) expect(text).not.toContain(secret);
      expect(text).toContain('[redacted]');
    }
  });

  it('keeps numbers whose name sounds like a secret, and the code of an error without its stack', () => {
    const text = logged({}, (log) => {
      log.info({ bodyBytes: 12, tokenCount: 3, error: new HoldpointError('wrong_state', 'hold 1 is rejected') }, 'x');
    });
    expect(JSON.parse(text)).toMatchObject({
      bodyBytes: 12,
      tokenCount: 3,
      error: { name: 'HoldpointError', code: 'wrong_state', message: 'hold 1 is rejected' },
    });
    expect(text).not.toContain('system.test.ts');
  });

  it('writes one line whatever is in it, and nothing that moves a terminal (T33)', () => {
    for (const format of ['json', 'text'] as const) {
      const text = logged({ format }, (log) =>
        log.warn({ job: 'a\nb\u001b[31m\u202e', '\u001b[2K': 1 }, 'job\nfake entry\u009b'),
      );
      expect(text.split('\n')).toHaveLength(2);
      if (format === 'text') expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });

  it('bounds what it writes: long texts, deep objects, circles', () => {
    const circle: Record<string, unknown> = { name: 'x' };
    circle.self = circle;
    const text = logged({}, (log) => log.info({ long: 'y'.repeat(100_000), circle, list: Array(10_000).fill(1) }, 'z'));
    expect(text.length).toBeLessThan(4_000);
  });
});

describe('the clock', () => {
  it('tells the time, calls back once, and not after it was cancelled', async () => {
    vi.useFakeTimers();
    const clock = createClock();
    expect(clock.now()).toBe(Date.now());
    const ran: string[] = [];
    clock.after(1_000, () => ran.push('a'));
    clock.after(1_000, () => ran.push('b'))();
    // Longer than a timer of Node can be: it would fire at once.
    clock.after(30 * 86_400_000, () => ran.push('month'));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(ran).toEqual(['a']);
    await vi.advanceTimersByTimeAsync(29.9 * 86_400_000);
    expect(ran).toEqual(['a']);
    await vi.advanceTimersByTimeAsync(0.2 * 86_400_000);
    expect(ran).toEqual(['a', 'month']);
    vi.useRealTimers();
  });
});

describe('the service manager', () => {
  let folder: string;
  let told: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-notify-'));
    told = join(folder, 'told');
    writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >>'${told}'\n`);
    chmodSync(join(folder, 'systemd-notify'), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const lines = () => readFileSync(told, 'utf8').trim().split('\n');

  function turnable(): Clock & { turn: () => void; waiting: () => number[] } {
    let timers: { ms: number; run: () => void }[] = [];
    return {
      now: () => 0,
      after: (ms, run) => {
        const timer = { ms, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
      turn: () => {
        const due = timers;
        timers = [];
        for (const timer of due) timer.run();
      },
      waiting: () => timers.map((timer) => timer.ms),
    };
  }

  it('is told when the service is ready, that it lives at half the interval, and when it stops', async () => {
    const env = {
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '30000000',
      PATH: `${folder}:${process.env.PATH}`,
    };
    const clock = turnable();
    const warnings: string[] = [];
    const notifier = openNotifier(env, 42, clock, (message) => warnings.push(message));
    await notifier.ready('gateway x');
    expect(lines()).toEqual(['/run/systemd/notify READY=1 MAINPID=42 STATUS=gateway x']);
    expect(clock.waiting()).toEqual([15_000]);
    clock.turn();
    await vi.waitFor(() => expect(lines().at(-1)).toBe('/run/systemd/notify WATCHDOG=1'), 10_000);
    await vi.waitFor(() => expect(clock.waiting()).toEqual([15_000]), 10_000);
    await notifier.stopping('1 request is finished first', 75_000);
    expect(lines().at(-1)).toBe(
      '/run/systemd/notify STOPPING=1 STATUS=1 request is finished first EXTEND_TIMEOUT_USEC=75000000',
    );
    expect(clock.waiting()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('is given no sign of life while the store does not answer, and one again when it does', async () => {
    const env = {
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '30000000',
      PATH: `${folder}:${process.env.PATH}`,
    };
    const clock = turnable();
    const warnings: string[] = [];
    let answers = false;
    const notifier = openNotifier(env, 42, clock, (message) => warnings.push(message));
    await notifier.ready('x', async () => {
      if (!answers) throw new Error('the store is gone');
    });
    for (let turn = 0; turn < 2; turn++) {
      clock.turn();
      await vi.waitFor(() => expect(clock.waiting()).toEqual([15_000]), 10_000);
    }
    expect(lines().at(-1)).toContain('READY=1');
    expect(warnings).toEqual(['no sign of life to the watchdog: the store is gone']);
    answers = true;
    clock.turn();
    await vi.waitFor(() => expect(lines().at(-1)).toBe('/run/systemd/notify WATCHDOG=1'), 10_000);
    await vi.waitFor(() => expect(clock.waiting()).toEqual([15_000]), 10_000);
    await notifier.stopping('x', 1);
  });

  it('is not told where there is none, nor does a missing systemd-notify stop the service', async () => {
    const clock = turnable();
    const none = openNotifier({ PATH: folder }, 1, clock, () => {});
    await none.ready('x');
    await none.stopping('x', 1);
    expect(() => lines()).toThrow();
    const warnings: string[] = [];
    const broken = openNotifier({ NOTIFY_SOCKET: '/x', PATH: '/nowhere' }, 1, clock, (message) =>
      warnings.push(message),
    );
    await broken.ready('x');
    await broken.stopping('x', 1);
    expect(warnings).toEqual(['the service manager could not be told: is systemd-notify installed?']);
  });

  it('is given no sign of life by a process that it does not watch', async () => {
    const env = {
      NOTIFY_SOCKET: '/x',
      WATCHDOG_USEC: '30000000',
      WATCHDOG_PID: '7',
      PATH: `${folder}:${process.env.PATH}`,
    };
    const clock = turnable();
    await openNotifier(env, 42, clock, () => {}).ready('x');
    expect(clock.waiting()).toEqual([]);
  });
});
