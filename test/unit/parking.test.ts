import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Facts } from '../../agent/src/domain/facts.ts';
import { PARKED_JOB_STATES, type ParkedJob, type ParkedJobState } from '../../agent/src/domain/parked-job.ts';
import {
  afterHeartbeat,
  afterLook,
  afterPush,
  afterStatus,
  failureReasonFor,
  type HubStatus,
  isLive,
  liveUntil,
  needsPayload,
  overLimits,
  timeoutLeftS,
} from '../../agent/src/domain/parking.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { verifiedFacts } from '../../agent/src/runners/gitlab/verified-facts.ts';
import { fixture, LIMITS } from '../support/gate.ts';

const AT = '2026-11-22T00:00:00.000Z';
const job = (more: Partial<ParkedJob> = {}): ParkedJob => ({
  jobId: 7,
  token: 't',
  pool: 'p',
  runner: 'r',
  digest: 'd',
  payloadSha256: '',
  hold: 1,
  url: null,
  state: 'parked',
  person: null,
  receivedAt: 0,
  parkedUntil: 0,
  handedOutAt: null,
  timeoutS: 3600,
  failureReasons: [],
  noteBytes: 0,
  pendingNote: null,
  failWith: null,
  reports: [],
  ...more,
});

const HUB_STATES = [
  'waiting_for_approval',
  'pending',
  'running',
  'success',
  'failed',
  'canceled',
  'rejected',
  'expired',
  'unknown',
] as const;

describe('a parked job', () => {
  it('T29: becomes released in one way only: the hub says release or pending of a job that is parked', () => {
    for (const state of PARKED_JOB_STATES) {
      for (const type of ['release', 'reject', 'expire', 'revoke', 'cancel'] as const) {
        const after = afterPush(job({ state }), { type, reason: null, note: null });
        if (after.state === 'released' && state !== 'released') expect([state, type]).toEqual(['parked', 'release']);
      }
      for (const said of HUB_STATES) {
        for (const current of [true, false]) {
          const after = afterStatus(job({ state }), { state: said, current } as HubStatus, AT);
          if (after.state === 'released' && state !== 'released')
            expect([state, said, current]).toEqual(['parked', 'pending', true]);
          if (state === 'released' && (said !== 'pending' || !current)) expect(after.state).not.toBe('released');
        }
      }
    }
  });

  it('T40: that its hub has given up is failed in GitLab with the reason, and not kept to be handed out in vain', () => {
    const after = afterStatus(job({ state: 'released' }), { state: 'pending', current: false }, AT);
    expect(after).toMatchObject({ state: 'failing' });
    expect(after.pendingNote).toMatch(/goes on without this job.*\nThe job is failed; nothing of it ran\./);
  });

  it('that somebody was given is moved by no word of the hub: its end is GitLab’s to say', () => {
    for (const state of ['handed_out', 'confirmed', 'failing', 'ended'] as ParkedJobState[]) {
      const one = job({ state });
      for (const type of ['release', 'reject', 'expire', 'revoke', 'cancel'] as const)
        expect(afterPush(one, { type, reason: null, note: null })).toBe(one);
      for (const said of HUB_STATES) expect(afterStatus(one, { state: said, current: true }, AT)).toBe(one);
    }
  });

  it('that the hub counts as running while it is here is told undelivered before it may be released', () => {
    const after = afterStatus(job({ state: 'released' }), { state: 'running', current: true }, AT);
    expect([after.state, after.reports.map((report) => report.event)]).toEqual(['parked', ['undelivered']]);
  });

  it('ends by what GitLab says, and lives on when it says nothing of the kind', () => {
    expect(afterHeartbeat(job(), 'running', AT)).toEqual(job());
    expect(afterHeartbeat(job(), 'canceling', AT)).toMatchObject({
      state: 'failing',
      reports: [{ event: 'canceled' }],
    });
    expect(afterHeartbeat(job(), 'canceled', AT)).toMatchObject({ state: 'ended', reports: [{ event: 'canceled' }] });
    for (const status of ['failed', 'success', 'refused'] as const) {
      expect(afterHeartbeat(job(), status, AT)).toMatchObject({ state: 'ended', reports: [{ event: 'detached' }] });
    }
    // The hub may have a hold of it all the same: a verdict can be lost on its way.
    expect(afterHeartbeat(job({ state: 'received', hold: null }), 'canceled', AT).reports).toMatchObject([
      { event: 'canceled' },
    ]);
    expect(afterLook(job({ state: 'confirmed' }), 'canceling', AT)).toEqual(job({ state: 'confirmed' }));
    expect(afterLook(job({ state: 'confirmed' }), 'success', AT).reports[0]?.detail).toEqual({ status: 'success' });
    expect(afterLook(job({ state: 'confirmed' }), 'refused', AT).reports[0]?.detail.status).toBe('failed');
  });

  it('T44: is failed with a reason that GitLab does not retry, of those that it knows', () => {
    expect(failureReasonFor(['script_failure', 'no_matching_runner'])).toBe('no_matching_runner');
    expect(failureReasonFor(['script_failure'])).toBe('missing_dependency_failure');
    expect(failureReasonFor([])).toBe('missing_dependency_failure');
  });

  it('keeps its payload exactly as long as it may be handed out', () => {
    expect(PARKED_JOB_STATES.filter(needsPayload)).toEqual(['received', 'parked', 'released', 'handed_out']);
    expect(PARKED_JOB_STATES.filter(isLive)).toEqual(['received', 'parked', 'released']);
  });
});

describe('T31: the time GitLab gives', () => {
  it.each([
    [3600, 3_000],
    [1_200, 800],
    [60, 40],
    [86_400, 3_600],
    [0, 0],
  ])('of a timeout of %d s leaves %d s to wait', (timeoutS, waitS) => {
    expect(liveUntil(5_000, timeoutS, LIMITS)).toBe(5_000 + waitS * 1000);
  });

  it('parked and left together are never more than the timeout, and never under a minute is left', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 1e6 }), fc.nat({ max: 1e9 }), (timeoutS, parkedMs) => {
        const left = timeoutLeftS(job({ timeoutS }), parkedMs);
        expect(left).toBeGreaterThanOrEqual(60);
        if (left > 60) expect(left + parkedMs / 1000).toBeLessThan(timeoutS + 1);
      }),
    );
  });

  it('leaves at the end of the live stage what the floor promises', () => {
    fc.assert(
      fc.property(fc.integer({ min: 180, max: 1e6 }), (timeoutS) => {
        const until = liveUntil(0, timeoutS, LIMITS);
        expect(timeoutLeftS(job({ timeoutS }), until)).toBeGreaterThanOrEqual(Math.floor(Math.min(600, timeoutS / 3)));
      }),
    );
  });
});

describe('T30: the limits of parked jobs', () => {
  const person = fc.constantFrom('id:1', 'id:2', 'id:3', null);
  const project = fc.constantFrom(1, 2, 3);
  const jobs = fc
    .array(fc.tuple(person, project), { maxLength: 40 })
    .map((list) => list.map(([who, of], n) => job({ jobId: n + 1, person: who, project: of, receivedAt: n })));
  const agentOnly = (maxHolds: number) => ({ maxHolds, maxHoldsPerProject: 1_000, maxHoldsPerTrigger: 1_000 });
  const who = (each: ParkedJob) => each.person ?? `unknown:${each.project}`;
  const ids = (list: readonly ParkedJob[], limits: Parameters<typeof overLimits>[1]) =>
    overLimits(list, limits).map(({ jobId }) => jobId);

  it('of the agent take out exactly what is over, always the oldest of whoever has most', () => {
    fc.assert(
      fc.property(jobs, fc.nat({ max: 40 }), (list, max) => {
        const out = ids(list, agentOnly(max));
        expect(out).toHaveLength(Math.max(0, list.length - max));
        let left = [...list];
        for (const jobId of out) {
          const count = (of: string) => left.filter((each) => who(each) === of).length;
          const victim = left.find((each) => each.jobId === jobId)!;
          expect(count(who(victim))).toBe(Math.max(...left.map((each) => count(who(each)))));
          expect(left.find((each) => who(each) === who(victim))).toBe(victim);
          left = left.filter((each) => each !== victim);
        }
      }),
    );
  });

  it('hold all three at once, and take out nobody who is within all of them', () => {
    const limit = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(jobs, limit, limit, limit, (list, maxHolds, maxHoldsPerProject, maxHoldsPerTrigger) => {
        const out = overLimits(list, { maxHolds, maxHoldsPerProject, maxHoldsPerTrigger });
        const gone = new Set(out.map(({ jobId }) => jobId));
        expect(gone.size).toBe(out.length);
        const left = list.filter((each) => !gone.has(each.jobId));
        expect(left.length).toBeLessThanOrEqual(maxHolds);
        for (const each of list) {
          expect(left.filter((one) => who(one) === who(each)).length).toBeLessThanOrEqual(maxHoldsPerTrigger);
          expect(left.filter((one) => one.project === each.project).length).toBeLessThanOrEqual(maxHoldsPerProject);
        }
        const within = list.every(
          (each) =>
            list.filter((one) => who(one) === who(each)).length <= maxHoldsPerTrigger &&
            list.filter((one) => one.project === each.project).length <= maxHoldsPerProject,
        );
        if (within && list.length <= maxHolds) expect(out).toEqual([]);
      }),
    );
  });

  it('never touch a person who has no more than their share, in the flooded project or another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 30 }), fc.constantFrom(1, 2), (flood, of) => {
        const list = [
          job({ jobId: 1, person: 'id:quiet', project: of, receivedAt: 0 }),
          ...Array.from({ length: flood }, (_, n) =>
            job({ jobId: n + 2, person: 'id:loud', project: 1, receivedAt: n + 1 }),
          ),
        ];
        for (const limits of [
          { maxHolds: 3, maxHoldsPerProject: 99, maxHoldsPerTrigger: 99 },
          { maxHolds: 99, maxHoldsPerProject: 2, maxHoldsPerTrigger: 99 },
          { maxHolds: 99, maxHoldsPerProject: 99, maxHoldsPerTrigger: 1 },
        ])
          expect(ids(list, limits)).not.toContain(1);
      }),
    );
  });

  it('say which one it was, the narrowest first', () => {
    const list = Array.from({ length: 6 }, (_, n) => job({ jobId: n + 1, person: 'id:1', project: 1, receivedAt: n }));
    expect(overLimits(list, { maxHolds: 1, maxHoldsPerProject: 2, maxHoldsPerTrigger: 4 })).toEqual([
      { jobId: 1, limit: 'trigger' },
      { jobId: 2, limit: 'trigger' },
      { jobId: 3, limit: 'project' },
      { jobId: 4, limit: 'project' },
      { jobId: 5, limit: 'agent' },
    ]);
  });

  it('count triggers that nobody confirms together, but of each project apart', () => {
    const list = [1, 1, 1, 2].map((of, n) => job({ jobId: n + 1, person: null, project: of, receivedAt: n }));
    expect(ids(list, { maxHolds: 99, maxHoldsPerProject: 99, maxHoldsPerTrigger: 2 })).toEqual([1]);
  });
});

describe('T17: facts that GitLab confirms', () => {
  const read = (name: string): Facts => {
    const reading = readPayload(Buffer.from(fixture(name)), {
      instance: 'https://gitlab.example.com',
      runner: 'r',
      variableKey: new Uint8Array(32),
      verifyIdToken: () => null,
    });
    if (!reading.ok) throw new Error(reading.reason);
    return reading.facts;
  };
  const facts = read('deploy-production.run1');
  const id = facts.job.id;
  const user = { id: 77, username: 'real', name: 'Real' };
  const production = { slug: 'production', tier: 'production' };

  it('name the trigger and the source that GitLab names, whatever a variable says', () => {
    const answer = verifiedFacts(facts, {
      job: { id, user, pipeline: { source: 'schedule' } },
      agents: { job: { id }, environment: production },
    });
    expect(answer).toMatchObject({
      ok: true,
      facts: {
        trigger: { ...user, verified: 'gitlab' },
        pipeline: { source: 'schedule' },
        environment: { name: 'production', verified: true },
      },
    });
  });

  it('stay unverified where GitLab could not be asked', () => {
    const answer = verifiedFacts(facts, { job: null, agents: null });
    expect(answer).toMatchObject({ ok: true, facts: { environment: { verified: false } } });
    if (answer.ok) expect(answer.facts.trigger).toEqual(facts.trigger);
    expect(facts.trigger.verified).not.toBe('gitlab');
  });

  it.each([
    ['another slug', { slug: 'staging', tier: 'production' }],
    ['another tier', { slug: 'production', tier: 'other' }],
    ['another name', { name: 'prod', slug: 'production', tier: 'production' }],
    ['no environment', undefined],
  ])('are refused when GitLab has %s', (_what, environment) => {
    expect(verifiedFacts(facts, { job: null, agents: { job: { id }, environment } }).ok).toBe(false);
  });

  it('are refused when GitLab deploys a job whose variables name no environment', () => {
    const plain = read('test-unit.run1');
    expect(plain.environment).toBeNull();
    expect(verifiedFacts(plain, { job: null, agents: { environment: production } }).ok).toBe(false);
    expect(verifiedFacts(plain, { job: null, agents: {} }).ok).toBe(true);
  });

  it.each([
    ['project', { project: { id: 4243 } }, 'of project'],
    ['pipeline', { pipeline: { id: 5 } }, 'of pipeline'],
  ])('T50: are refused when GitLab has the job in another %s', (_what, agents, reason) => {
    const answer = verifiedFacts(facts, { job: null, agents: { job: { id }, environment: production, ...agents } });
    expect(answer).toMatchObject({ ok: false, reason: expect.stringContaining(reason) });
  });

  it.each([
    ['Review/Feature X', 'review-feature-x-1a2b3c', true],
    ['Review/Feature X', 'review-feature-y-1a2b3c', false],
    ['production', 'staging', false],
    ['production-eu', 'production-eu', true],
  ])('T17: an environment %s that GitLab names by the slug %s: %s', (name, slug, ok) => {
    const named = { ...facts, environment: { ...facts.environment!, name, slug: null, tier: null } };
    expect(verifiedFacts(named, { job: null, agents: { job: { id }, environment: { slug } } }).ok).toBe(ok);
  });

  it('T18: name author and committer of the commit, as GitLab and the payload have them, each once', () => {
    const commit = {
      author_name: 'Maria Silva',
      author_email: 'maria@example.com',
      committer_name: 'Jonas Berg',
      committer_email: 'jonas@example.com',
    };
    const own = { author_name: 'Zoë Müller', author_email: 'zoe@example.com' };
    const answer = verifiedFacts(facts, { job: { id, user, commit }, agents: null, commits: [commit, own, 7] });
    expect(answer.ok && answer.facts.commit.people?.map(({ role, name }) => `${role} ${name}`)).toEqual([
      'author Maria Silva',
      'committer Jonas Berg',
      'author Zoë Müller',
    ]);
    const silent = verifiedFacts(
      { ...facts, commit: { ...facts.commit, people: null } },
      { job: { id }, agents: null },
    );
    expect(silent.ok && silent.facts.commit.people).toBeNull();
  });

  it('T48: tell of each dependency whether GitLab lists it in the same pipeline; unasked is neither', () => {
    const [dependency] = facts.dependencies;
    const known = (pipelineJobs: ReadonlySet<number> | null) => {
      const answer = verifiedFacts(facts, { job: { id, user }, agents: null, pipelineJobs });
      return answer.ok && answer.facts.dependencies.map((one) => one.samePipeline);
    };
    expect(known(new Set([dependency!.jobId!]))).toEqual([true]);
    expect(known(new Set([1]))).toEqual([false]);
    expect(known(null)).toEqual([null]);
  });

  it('T50: are refused when the token is another job’s', () => {
    expect(verifiedFacts(facts, { job: { id: id + 1, user }, agents: null }).ok).toBe(false);
  });

  it.each([[null], ['x'], [[]], [{ user: 'x' }], [{ user: { id: '9' } }], [{ id, user: { id: 1.5 } }]])(
    'take nothing from an answer that is %j',
    (answer) => {
      const verified = verifiedFacts(facts, { job: answer, agents: null });
      expect(verified.ok && verified.facts.trigger).toEqual(facts.trigger);
    },
  );
});
