import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressOf,
  type ChannelKind,
  dueAt,
  isAddress,
  LIMIT_SPAN_MS,
  MAX_TRIES,
  nextTry,
  planDeliveries,
  type Recipient,
  type Recipients,
} from '../../agent/src/domain/notify/delivery.ts';
import { escalationsDue } from '../../agent/src/domain/notify/escalate.ts';
import { NOTICE_EVENTS, NOTICES, noticeOf, SEVERITIES } from '../../agent/src/domain/notify/notice.ts';
import {
  NO_NOTIFY,
  type NotifyPolicy,
  type NotifyRoute,
  quietUntil,
  routesFor,
} from '../../agent/src/domain/notify/notify-policy.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.parse('2026-11-23T12:00:00Z');

const about = {
  project: { id: 4242, path: 'acme/payments/api' },
  job: 'deploy',
  ref: 'refs/heads/main',
  refProtected: true,
  environment: 'production',
  pipelineId: 100,
  trigger: { id: 9, username: 'zoe' },
};
const opened = noticeOf('audit-1', 'review_opened', NOW, about);
const route = (more: Partial<NotifyRoute> = {}): NotifyRoute => ({
  name: 'all',
  match: {},
  severity: 'info',
  channels: ['mail'],
  to: ['approvers', 'trigger', 'owner'],
  also: [],
  digestMs: 0,
  ...more,
});
const policy = (...routes: NotifyRoute[]): NotifyPolicy => ({ ...NO_NOTIFY, routes });
const KINDS: ReadonlyMap<string, ChannelKind> = new Map([
  ['mail', 'email'],
  ['hook', 'webhook'],
  ['chat', 'slack'],
  ['notes', 'gitlab'],
]);
const person = (id: number, more: Partial<Recipient> = {}): Recipient => ({
  id,
  username: `u${id}`,
  address: `u${id}@example.com`,
  wish: 'all',
  ...more,
});
const people = (more: Partial<Recipients> = {}): Recipients => ({
  approvers: [person(21), person(22)],
  trigger: [person(9)],
  owner: [],
  also: new Map(),
  ...more,
});
const targets = (...args: Parameters<typeof planDeliveries>) =>
  planDeliveries(...args).deliveries.map(({ channel, target }) => `${channel}:${target}`);

describe('where a notice goes', () => {
  it.each([
    ['the project by path', { match: { projects: ['acme/*'] } }, true],
    ['the project by id', { match: { projects: [4242] } }, true],
    ['another project', { match: { projects: ['other/*'] } }, false],
    ['the environment, whatever its letter case', { match: { environments: ['PROD*'] } }, true],
    ['another environment', { match: { environments: ['staging'] } }, false],
    ['an empty list of environments', { match: { environments: [] } }, false],
    ['a pattern over events', { events: ['review_*'] }, true],
    ['other events', { events: ['token_*', 'policy_*'] }, false],
    ['a severity that it has', { severity: 'action' }, true],
    ['a higher severity', { severity: 'warning' }, false],
  ] as const)('follows a route for %s: %s', (_, more, fits) => {
    expect(routesFor(policy(route(more as Partial<NotifyRoute>)), opened)).toHaveLength(fits ? 1 : 0);
  });

  it('follows a route for jobs never with what is about no job', () => {
    const away = noticeOf('agent-away-x', 'agent_away', NOW);
    expect(routesFor(policy(route({ match: { projects: ['*'] } })), away)).toEqual([]);
    expect(routesFor(policy(route()), away)).toHaveLength(1);
  });

  it('asks those who can still help, and tells the trigger nothing that is for approvers', () => {
    expect(targets(opened, policy(route()), KINDS, people())).toEqual(['mail:u21@example.com', 'mail:u22@example.com']);
    const rejected = noticeOf('audit-2', 'review_rejected', NOW, about);
    expect(targets(rejected, policy(route()), KINDS, people())).toEqual(['mail:u9@example.com']);
  });

  it('leaves out audiences that a route does not name, and adds whom it names', () => {
    const also = new Map([['boss', person(50)]]);
    expect(targets(opened, policy(route({ to: [], also: ['boss', 'nobody'] })), KINDS, people({ also }))).toEqual([
      'mail:u50@example.com',
    ]);
  });

  it('writes to a channel that is its own recipient once, to one note for a pipeline, and to nobody without an address', () => {
    const all = policy(
      route({ channels: ['hook', 'chat', 'notes', 'mail'] }),
      route({ name: 'again', channels: ['hook'] }),
    );
    expect(targets(opened, all, KINDS, people({ approvers: [person(21, { address: null })] }))).toEqual([
      'hook:',
      'chat:',
      'notes:4242/100',
    ]);
  });

  it('names a channel that nobody has defined, and follows the others', () => {
    const plan = planDeliveries(opened, policy(route({ channels: ['mial', 'hook'] })), KINDS, people());
    expect(plan.unknown).toEqual(['mial']);
    expect(plan.deliveries).toHaveLength(1);
  });

  it('tells people what is for them alone, or nothing, as they wish; a misused token of theirs always', () => {
    const wished = (wish: Recipient['wish'], event: (typeof NOTICE_EVENTS)[number]) =>
      targets(
        noticeOf('k', event, NOW, about),
        policy(route()),
        KINDS,
        people({ approvers: [person(21, { wish })], trigger: [person(9, { wish })], owner: [person(30, { wish })] }),
      ).length;
    expect([wished('all', 'review_opened'), wished('mine', 'review_opened'), wished('off', 'review_opened')]).toEqual([
      1, 0, 0,
    ]);
    expect([wished('mine', 'help_asked'), wished('mine', 'review_rejected'), wished('off', 'review_rejected')]).toEqual(
      [1, 1, 0],
    );
    expect([
      wished('mine', 'token_elsewhere'),
      wished('off', 'token_elsewhere'),
      wished('off', 'token_misused'),
    ]).toEqual([1, 0, 1]);
  });

  it('sends each step of a hold to programs alone', () => {
    const moved = noticeOf('audit-3', 'hold_changed', NOW, about);
    const all = policy(route({ channels: ['hook', 'chat', 'notes', 'mail'], also: ['boss'] }));
    const also = new Map([['boss', person(50)]]);
    expect(targets(moved, all, KINDS, people({ also }))).toEqual(['hook:', 'notes:4242/100']);
  });

  it('reaches each recipient once for each channel, whatever routes say (property)', () => {
    const anyRoute = fc.record({
      channels: fc.array(fc.constantFrom('mail', 'hook', 'chat', 'notes', 'nowhere'), { minLength: 1, maxLength: 4 }),
      severity: fc.constantFrom(...SEVERITIES),
      digestMs: fc.constantFrom(0, MINUTE, HOUR),
      to: fc.subarray(['approvers', 'trigger', 'owner'] as const),
    });
    fc.assert(
      fc.property(fc.array(anyRoute, { maxLength: 6 }), fc.constantFrom(...NOTICE_EVENTS), (routes, event) => {
        const notice = noticeOf('k', event, NOW, about);
        const { deliveries } = planDeliveries(notice, policy(...routes.map((one) => route(one))), KINDS, people());
        const keys = deliveries.map(({ channel, target }) => `${channel} ${target}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const { kind, target } of deliveries) if (kind === 'email') expect(isAddress(target)).toBe(true);
      }),
    );
  });
});

describe('addresses', () => {
  it.each(['a@example.com', "o'neil+x@mail.example.co.uk", 'root@localhost'])('takes %s', (text) =>
    expect(isAddress(text)).toBe(true),
  );
  it.each([
    'a@example.com\r\nBcc: evil@example.com',
    'a@example.com, b@example.com',
    'Maria <a@example.com>',
    'a@example.com>',
    'a b@example.com',
    '"a b"@example.com',
    'a@-example.com',
    'a@',
    '@example.com',
    'a@example.com\u0000',
    `${'a'.repeat(300)}@example.com`,
  ])('takes none that would be more than one mailbox in a header: %j', (text) => expect(isAddress(text)).toBe(false));
  it('takes the first of a person that mail can be sent to', () => {
    expect(addressOf(['nonsense', 'Maria@Example.com', 'second@example.com'])).toBe('maria@example.com');
    expect(addressOf(undefined)).toBeNull();
  });
});

describe('when it may be sent', () => {
  const quiet = {
    timeZone: 'Europe/Berlin',
    when: [{ kind: 'daily', from: { hour: 20, minute: 0 }, to: { hour: 7, minute: 0 } }],
  } as const;
  const idle = { digestDue: null, ofCause: 0 };
  const at = (text: string) => Date.parse(text);
  const due = (
    more: Partial<{ kind: ChannelKind; digestMs: number; severity: (typeof SEVERITIES)[number] }>,
    load = idle as { digestDue: number | null; ofCause: number },
    now = NOW,
    own: Partial<NotifyPolicy> = {},
  ) => dueAt({ ...NO_NOTIFY, ...own }, { kind: 'email', digestMs: 0, severity: 'action', ...more }, load, now);

  it('is now, where nothing says otherwise', () => expect(due({})).toBe(NOW));
  it('is with what is collected already, or when the time of a new collection is over', () => {
    expect(due({ digestMs: 10 * MINUTE })).toBe(NOW + 10 * MINUTE);
    expect(due({ digestMs: 10 * MINUTE }, { digestDue: NOW + 3 * MINUTE, ofCause: 0 })).toBe(NOW + 3 * MINUTE);
  });
  it('is after quiet hours, by the clocks of the place, summer time included', () => {
    const night = at('2026-11-23T22:00:00Z');
    expect(due({}, idle, night, { quietHours: quiet })).toBe(at('2026-11-24T06:00:00Z'));
    expect(due({}, idle, at('2026-07-01T22:00:00Z'), { quietHours: quiet })).toBe(at('2026-07-02T05:00:00Z'));
    expect(due({}, idle, NOW, { quietHours: quiet })).toBe(NOW);
  });
  it('is after quiet hours too when a collection would end in them', () => {
    const evening = at('2026-11-23T18:55:00Z');
    expect(due({ digestMs: 10 * MINUTE }, idle, evening, { quietHours: quiet })).toBe(at('2026-11-24T06:00:00Z'));
  });
  it('is now for what is critical, and for programs, whatever the hour', () => {
    const night = at('2026-11-23T22:00:00Z');
    const flood = { digestDue: null, ofCause: 1_000 };
    expect(due({ severity: 'critical', digestMs: HOUR }, flood, night, { quietHours: quiet })).toBe(night);
    expect(due({ kind: 'webhook', digestMs: HOUR }, flood, night, { quietHours: quiet })).toBe(night);
    expect(due({ kind: 'gitlab' }, flood, night, { quietHours: quiet })).toBe(night);
  });
  it('T58 is within the hour, and all together, once one person has asked often enough', () => {
    expect(due({}, { digestDue: null, ofCause: 9 })).toBe(NOW);
    expect(due({}, { digestDue: null, ofCause: 10 })).toBe(NOW + LIMIT_SPAN_MS);
    expect(due({}, { digestDue: NOW + 20 * MINUTE, ofCause: 500 })).toBe(NOW + 20 * MINUTE);
  });
  it('joins quiet times that touch, and says nothing of those that do not hold', () => {
    const touching = {
      timeZone: 'UTC',
      when: [
        { kind: 'daily', from: { hour: 20, minute: 0 }, to: { hour: 0, minute: 0 } },
        { kind: 'daily', from: { hour: 0, minute: 0 }, to: { hour: 7, minute: 30 } },
      ],
    } as const;
    expect(quietUntil(touching, at('2026-11-23T21:00:00Z'))).toBe(at('2026-11-24T07:30:00Z'));
    expect(quietUntil(touching, at('2026-11-23T12:00:00Z'))).toBeNull();
    expect(quietUntil(null, NOW)).toBeNull();
  });
});

describe('what is tried again', () => {
  it('is tried a bounded number of times, each pause longer than the one before, half of it by chance', () => {
    const pauses: number[] = [];
    for (let tries = 1; ; tries++) {
      const least = nextTry(tries, 0, 0);
      if (least === null) break;
      const most = nextTry(tries, 1, 0)!;
      expect(most).toBe(least * 2);
      pauses.push(least);
    }
    expect(pauses).toHaveLength(MAX_TRIES - 1);
    expect([...pauses].sort((a, b) => a - b)).toEqual(pauses);
    expect(pauses[0]).toBe(2_500);
    expect(pauses.at(-1)).toBe(15 * MINUTE);
  });
  it('waits for as long as the receiver asks, within bounds', () => {
    expect(nextTry(1, 0, 0, 60_000)).toBe(60_000);
    expect(nextTry(1, 0, 0, 10 * 24 * HOUR)).toBe(30 * MINUTE);
  });
});

describe('escalations', () => {
  const waiting = (key: string, since: number, more: object = {}) => ({
    key,
    since,
    notice: noticeOf('', 'waits_long', NOW, { ...about, ...more }),
  });
  const escalation = (more: object = {}) => ({
    name: 'boss',
    match: {},
    afterMs: 4 * HOUR,
    channels: ['mail'],
    also: ['olga'],
    ...more,
  });
  it('tell of what waits for too long, the oldest first, and of nothing else', () => {
    const found = escalationsDue(
      { escalations: [escalation()] },
      [
        waiting('review-2', NOW - 4 * HOUR),
        waiting('review-1', NOW - 9 * HOUR),
        waiting('review-3', NOW - 4 * HOUR + 1),
      ],
      NOW,
    );
    expect(found.map(({ notice }) => notice.key)).toEqual(['escalation-boss-review-1', 'escalation-boss-review-2']);
  });
  it('look at jobs that they are for, each once for each of them', () => {
    const escalations = [
      escalation({ match: { environments: ['staging'] } }),
      escalation({ name: 'late', afterMs: HOUR }),
    ];
    const found = escalationsDue({ escalations }, [waiting('review-1', NOW - 5 * HOUR)], NOW);
    expect(found.map(({ notice }) => notice.key)).toEqual(['escalation-late-review-1']);
  });
});

describe('the table of events', () => {
  it('gives every severity that is asked of somebody an audience', () => {
    for (const event of NOTICE_EVENTS)
      if (NOTICES[event].severity === 'action') expect(NOTICES[event].to.length, event).toBeGreaterThan(0);
  });
});
