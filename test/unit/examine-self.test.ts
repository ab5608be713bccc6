import { describe, expect, it } from 'vitest';
import { examineSelf } from '../../agent/src/app/examine-self.ts';
import type { Observation } from '../../agent/src/domain/doctor/observation.ts';
import { unseen } from '../../agent/src/domain/doctor/observation.ts';
import type { Examined } from '../../agent/src/ports/gatekeeper.ts';
import type { Log } from '../../agent/src/ports/log.ts';

const HOUR = 3_600_000;
const closed = unseen('closed', null);
const host = (problems: readonly string[] = []): Observation => ({
  of: 'agent',
  hubBeside: null,
  now: 0,
  version: '1',
  settings: { ok: false, problems, hidden: problems.length === 0 },
  agentUid: null,
  gitlab: closed,
  runnerFiles: closed,
  processes: closed,
  files: closed,
  accounts: closed,
  stateDir: closed,
  disk: closed,
  sync: closed,
  backup: closed,
  gateway: closed,
  hub: closed,
  policy: closed,
  sameTags: closed,
  store: closed,
  certificates: closed,
  signIn: closed,
  channels: closed,
  executors: closed,
  git: closed,
});

/** An agent's side, with a clock that is turned by hand. */
function world(observe: () => Promise<Observation>) {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  const told: Examined[] = [];
  const lines: string[] = [];
  let ask = (): void => {};
  const log = {
    warn: (_: object, text: string) => lines.push(text),
    error: (_: object, text: string) => lines.push(text),
  } as unknown as Log;
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  const self = examineSelf({
    observe,
    gatekeeper: {
      examined: (report) => told.push(report),
      onExamine: (listener) => {
        ask = listener;
      },
    },
    clock: {
      now: () => now,
      after(ms, run) {
        const timer = { at: now + ms, run };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
    log,
  });
  return {
    told,
    lines,
    timers,
    self,
    settle,
    async turn(ms: number) {
      now += ms;
      for (const timer of [...timers])
        if (timer.at <= now) {
          timers.delete(timer);
          timer.run();
        }
      await settle();
    },
    async ask() {
      ask();
      await settle();
    },
  };
}

describe('an agent that looks at its own host', () => {
  it('does so at the start, each hour and when it is asked, and not twice within seconds', async () => {
    const one = world(async () => host());
    await one.settle();
    expect(one.told).toHaveLength(1);
    await one.ask();
    await one.ask();
    expect(one.told).toHaveLength(1);
    await one.turn(5_000);
    expect(one.told).toHaveLength(2);
    await one.turn(HOUR);
    expect(one.told).toHaveLength(3);
    expect(one.told[0]?.findings.map(({ check }) => check)).not.toContain('gateway');
    await one.self.close();
    expect(one.timers.size).toBe(0);
  });

  it('says once in its log what is to be mended, and says it again only when that has changed', async () => {
    let problems = ['agent.yml:1:1: bad'];
    const one = world(async () => host(problems));
    await one.settle();
    await one.turn(HOUR);
    expect(one.lines).toEqual(['this host has something to mend: agent.yml:1:1: bad']);
    problems = ['agent.yml:2:1: worse'];
    await one.turn(HOUR);
    expect(one.lines.at(-1)).toContain('worse');
    await one.self.close();
  });

  it('goes on when it could not look', async () => {
    let broken = true;
    const one = world(async () => {
      if (broken) throw new Error('no /proc');
      return host();
    });
    await one.settle();
    expect([one.told, one.lines]).toEqual([[], ['this host could not be looked at']]);
    broken = false;
    await one.turn(HOUR);
    expect(one.told).toHaveLength(1);
    await one.self.close();
  });
});
