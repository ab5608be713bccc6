import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseClock,
  parseDate,
  parseTimeZone,
  parseWeekTime,
  parseYearTime,
  type Recurrence,
  recurrenceWords,
  spanAt,
  zoneOf,
} from '../../agent/src/domain/calendar.ts';
import { type FreezeWindow, freezeAt, frozenUntil } from '../../agent/src/domain/freeze.ts';
import type { PolicyTarget } from '../../agent/src/domain/policy-match.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string): number => Date.parse(text);
const iso = (time: number | null | undefined): string | null => (time == null ? null : new Date(time).toISOString());

const target: PolicyTarget = {
  projectId: 1,
  projectPath: 'acme/web',
  job: 'deploy',
  ref: 'refs/heads/main',
  refProtected: true,
  environment: 'production',
};
const weekend: Recurrence = { kind: 'weekly', from: parseWeekTime('fri 16:00')!, to: parseWeekTime('mon 07:00')! };
const nights: Recurrence = { kind: 'daily', from: parseClock('22:00')!, to: parseClock('06:00')! };
const window = (name: string, when: readonly Recurrence[], more: Partial<FreezeWindow> = {}): FreezeWindow => ({
  name,
  match: {},
  timeZone: 'Europe/Berlin',
  when,
  mode: 'hard',
  rules: [],
  except: [],
  ...more,
});

describe('a freeze window', () => {
  it('holds from its start on and not at its end, by the clocks of its place', () => {
    const frozen = (time: string) => iso(frozenUntil([window('weekends', [weekend])], target, at(time)));
    expect(frozen('2026-11-20T14:59:59.999Z')).toBeNull();
    expect(frozen('2026-11-20T15:00:00Z')).toBe('2026-11-23T06:00:00.000Z');
    expect(frozen('2026-11-23T05:59:59.999Z')).toBe('2026-11-23T06:00:00.000Z');
    expect(frozen('2026-11-23T06:00:00Z')).toBeNull();
  });

  it('is an hour shorter or longer on the weekend on which clocks are set', () => {
    const lengthAt = (time: string) => {
      const span = spanAt(weekend, zoneOf('Europe/Berlin'), at(time))!;
      return (span.end - span.start) / HOUR;
    };
    expect(lengthAt('2026-03-21T12:00:00Z')).toBe(63);
    expect(lengthAt('2026-03-28T12:00:00Z')).toBe(62);
    expect(lengthAt('2026-10-24T12:00:00Z')).toBe(64);
  });

  it('whose end falls into an hour that comes twice ends with the second one', () => {
    const until: Recurrence = { kind: 'daily', from: parseClock('01:00')!, to: parseClock('02:30')! };
    expect(iso(spanAt(until, zoneOf('Europe/Berlin'), at('2026-10-25T00:00:00Z'))?.end)).toBe(
      '2026-10-25T01:30:00.000Z',
    );
  });

  it('whose start falls into an hour that does not come begins no later than its end', () => {
    const gap: Recurrence = { kind: 'daily', from: parseClock('02:30')!, to: parseClock('04:00')! };
    const span = spanAt(gap, zoneOf('Europe/Berlin'), at('2026-03-29T01:30:00Z'))!;
    expect(iso(span.start)).toBe('2026-03-29T00:30:00.000Z');
    expect(iso(span.end)).toBe('2026-03-29T02:00:00.000Z');
  });

  it('of every year goes over new year and knows 29 February', () => {
    const holidays: Recurrence = {
      kind: 'yearly',
      from: parseYearTime('12-20', false)!,
      to: parseYearTime('01-06', true)!,
    };
    const span = spanAt(holidays, zoneOf('UTC'), at('2027-01-03T00:00:00Z'))!;
    expect([iso(span.start), iso(span.end)]).toEqual(['2026-12-20T00:00:00.000Z', '2027-01-07T00:00:00.000Z']);
    expect(spanAt(holidays, zoneOf('UTC'), at('2027-01-07T00:00:00Z'))).toBeNull();
    const leap: Recurrence = {
      kind: 'yearly',
      from: parseYearTime('02-29', false)!,
      to: parseYearTime('02-29', true)!,
    };
    expect(spanAt(leap, zoneOf('UTC'), at('2028-02-29T12:00:00Z'))).not.toBeNull();
  });

  it('that touches another one is one freeze with it', () => {
    const frozen = frozenUntil(
      [window('weekends', [weekend]), window('nights', [nights])],
      target,
      at('2026-11-21T12:00:00Z'),
    );
    // Monday 07:00 ends the weekend; the night before has ended at 06:00 already.
    expect(iso(frozen)).toBe('2026-11-23T06:00:00.000Z');
    const early: Recurrence = { kind: 'weekly', from: parseWeekTime('mon 06:30')!, to: parseWeekTime('mon 12:00')! };
    const both = [window('weekends', [weekend]), window('mondays', [early])];
    expect(iso(frozenUntil(both, target, at('2026-11-21T12:00:00Z')))).toBe('2026-11-23T11:00:00.000Z');
  });

  it('names what holds, what asks for more, and which exception lets a job through', () => {
    const rules = [{ name: 'cab', who: { kind: 'access_level', level: 50 } as const, count: 1 }];
    const windows = [
      window('weekends', [weekend], { except: [{ name: 'hotfixes', match: { jobs: ['hotfix*'] } }] }),
      window('quiet hours', [weekend], { mode: 'extra_approval', rules, match: { environments: ['prod*'] } }),
    ];
    const now = at('2026-11-21T12:00:00Z');
    expect(freezeAt(windows, target, now)).toMatchObject({
      hard: { names: ['weekends'] },
      extra: { names: ['quiet hours'], rules, since: at('2026-11-20T15:00:00Z') },
      excepted: [],
    });
    const hotfix = { ...target, job: 'hotfix-7' };
    expect(freezeAt(windows, hotfix, now)).toMatchObject({ hard: null, excepted: ['weekends (hotfixes)'] });
    expect(freezeAt(windows, { ...target, environment: null }, now)).toMatchObject({ extra: null });
  });

  it('without an end is looked ahead at for a month, and no longer', () => {
    const always: Recurrence = { kind: 'daily', from: parseClock('00:00')!, to: parseClock('00:00')! };
    const now = at('2026-11-21T12:00:00Z');
    const until = frozenUntil([window('for ever', [always])], target, now)!;
    expect(until).toBeGreaterThan(now + 30 * DAY);
    expect(until).toBeLessThan(now + 33 * DAY);
  });
});

describe('times in a policy', () => {
  it('are read strictly', () => {
    expect(parseDate('2026-02-30', false)).toBeNull();
    expect(parseDate('2026-02-28 24:00', false)).toBeNull();
    expect(parseDate('2026-2-8', false)).toBeNull();
    expect(parseYearTime('13-01', false)).toBeNull();
    expect(parseWeekTime('friday 16:00')).toBeNull();
    expect(parseWeekTime('fri 7:00')).toBeNull();
    expect(parseClock('25:00')).toBeNull();
    expect(['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires'].map(parseTimeZone)).not.toContain(null);
    expect(['+01:00', 'Europe/Berlinn', '', 'Etc/../UTC'].map(parseTimeZone)).toEqual([null, null, null, null]);
  });

  it('are said again as they were written', () => {
    expect(recurrenceWords(weekend)).toBe('every week from fri 16:00 to mon 07:00');
    expect(recurrenceWords(nights)).toBe('every day from 22:00 to 06:00');
  });
});

const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/St_Johns', 'Asia/Kathmandu', 'UTC'];
// All of 2026: every one of these zones that sets its clocks does so twice in it.
const moment = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') });
const clock = fc.record({ hour: fc.integer({ min: 0, max: 23 }), minute: fc.integer({ min: 0, max: 59 }) });
const week = fc.tuple(fc.integer({ min: 1, max: 7 }), clock).map(([weekday, time]) => ({ weekday, ...time }));
const recurrence: fc.Arbitrary<Recurrence> = fc.oneof(
  fc.record({ kind: fc.constant('daily' as const), from: clock, to: clock }),
  fc.record({ kind: fc.constant('weekly' as const), from: week, to: week }),
);
const shown = (time: number, zone: string) => new Date(time + zoneOf(zone)(time)).toISOString().slice(11, 16);

describe('over a year in which clocks are set', () => {
  it('the end that is told is the first moment at which nothing holds', () => {
    fc.assert(
      fc.property(
        fc.array(recurrence, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...zones),
        moment,
        (when, timeZone, now) => {
          const windows = [window('w', when, { timeZone })];
          const until = frozenUntil(windows, target, now);
          if (until === null) return;
          expect(until).toBeGreaterThan(now);
          expect(frozenUntil(windows, target, until - 1)).not.toBeNull();
          // Of three that touch each other all the time so much is certain at least.
          if (until < now + 10 * DAY) expect(frozenUntil(windows, target, until)).toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('asking later within one freeze gives the same end', () => {
    fc.assert(
      fc.property(
        recurrence,
        fc.constantFrom(...zones),
        moment,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (when, timeZone, now, part) => {
          const windows = [window('w', [when], { timeZone })];
          const until = frozenUntil(windows, target, now);
          if (until === null || until >= now + 30 * DAY) return;
          expect(frozenUntil(windows, target, now + Math.floor((until - now) * part))).toBe(until);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('whenever the clocks of the place show a time between start and end, it holds', () => {
    fc.assert(
      fc.property(clock, clock, fc.constantFrom(...zones), moment, (from, to, timeZone, now) => {
        const when: Recurrence = { kind: 'daily', from, to };
        const text = ({ hour, minute }: typeof from) =>
          `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
        const local = shown(now, timeZone);
        const inside =
          text(from) < text(to) ? text(from) <= local && local < text(to) : local >= text(from) || local < text(to);
        if (inside) expect(spanAt(when, zoneOf(timeZone), now)).not.toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('a span begins and ends where the clocks show it, but for an hour that does not come', () => {
    fc.assert(
      fc.property(clock, clock, fc.constantFrom(...zones), moment, (from, to, timeZone, now) => {
        const span = spanAt({ kind: 'daily', from, to }, zoneOf(timeZone), now);
        if (span === null) return;
        const text = ({ hour, minute }: typeof from) =>
          `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
        const jumps = [span.start, span.end].some(
          (edge) => zoneOf(timeZone)(edge - 3 * HOUR) !== zoneOf(timeZone)(edge + 3 * HOUR),
        );
        if (!jumps) expect([shown(span.start, timeZone), shown(span.end, timeZone)]).toEqual([text(from), text(to)]);
        expect(span.end - span.start).toBeLessThanOrEqual(DAY + 2 * HOUR);
      }),
      { numRuns: 500 },
    );
  });
});
