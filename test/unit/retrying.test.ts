import { describe, expect, it } from 'vitest';
import type { Attempt, Hold, HoldState } from '../../agent/src/domain/hold.ts';
import {
  type CiStatusWord,
  gateStatus,
  gateWords,
  isDetached,
  MAX_OWN_RETRIES,
  type RetryProgress,
  retryAdvice,
  retryStep,
} from '../../agent/src/domain/retrying.ts';

const attempt = (jobId: number, more: Partial<Attempt> = {}): Attempt => ({
  jobId,
  agent: 'embedded',
  runner: 'prod',
  url: `https://gitlab.example.com/-/jobs/${jobId}`,
  at: 0,
  parkedUntil: null,
  handedOutAt: null,
  endedAt: 10,
  ended: 'it waited 50 min',
  ...more,
});
const hold = (more: Partial<Hold> = {}): Hold => ({
  id: 1,
  version: 3,
  state: 'pending',
  subject: { instance: 'https://gitlab.example.com', projectId: 4242, job: 'deploy' },
  projectPath: 'acme/api',
  stage: 'deploy',
  digest: `sha256:${'a'.repeat(64)}`,
  place: { ref: 'refs/heads/main', refProtected: true, environment: null },
  inputs: 'admitted',
  pipelineId: 100,
  trigger: { id: 9, username: 'zoe', name: 'Zoë', verified: 'gitlab' },
  review: 1,
  approval: 1,
  attempts: [attempt(7), attempt(8)],
  openedAt: 0,
  expiresAt: 1_000,
  endedAt: null,
  reason: null,
  crossing: null,
  configured: null,
  frozenUntil: null,
  timeoutS: 3600,
  ...more,
});
const seen = (id: number, status: CiStatusWord, started = false) =>
  ({ found: 'job', job: { id, status, started } }) as const;

describe('the next step for a detached hold', () => {
  for (const [what, look, own, step] of [
    ['its own failed job is retried', seen(8, 'failed', true), 0, { do: 'retry', jobId: 8 }],
    ['T14 a newer job that waits is awaited, not doubled', seen(9, 'pending'), 0, { do: 'expect', jobId: 9 }],
    ['T14 a newer job that runs is awaited', seen(9, 'running', true), 0, { do: 'expect', jobId: 9 }],
    ['a manual one waits for its person', seen(9, 'manual'), 0, { do: 'expect', jobId: 9 }],
    ['a job that GitLab has not ended yet is looked at again', seen(8, 'running', true), 0, { do: 'look_again' }],
    ['one that failed in the queue is retried', seen(9, 'failed'), 1, { do: 'retry', jobId: 9 }],
    ['T44 but not for ever', seen(9, 'failed'), MAX_OWN_RETRIES, { do: 'leave' }],
    ['one that failed in another runner is left alone', seen(9, 'failed', true), 0, { do: 'leave' }],
    ['a canceled one ends the hold', seen(9, 'canceled'), 0, { do: 'cancel' }],
    ['its own, canceled while it was failed, ends the hold', seen(8, 'canceled', true), 0, { do: 'cancel' }],
    ['one that GitLab calls a success is left alone', seen(8, 'success', true), 0, { do: 'leave' }],
    ['a status that nobody knows is left alone', seen(8, 'other'), 0, { do: 'leave' }],
    ['a pipeline that is gone ends the hold', { found: 'gone' } as const, 0, { do: 'cancel' }],
  ] as const) {
    it(what, () => {
      expect(retryStep(hold(), look, own)).toMatchObject(step);
    });
  }
});

describe('a gate as a commit status', () => {
  it('is about the approval, however the job itself ended', () => {
    const ran = [attempt(8, { handedOutAt: 5 })];
    const of = (state: HoldState, attempts = [attempt(8)]) => [
      gateStatus(hold({ state, attempts })),
      gateWords(hold({ state, attempts, reason: state === 'canceled' ? 'superseded' : null })),
    ];
    expect(of('waiting_for_approval')).toEqual(['pending', 'waits for approval']);
    expect(of('pending')).toEqual(['pending', 'approved, to be run again']);
    for (const state of ['running', 'success', 'failed'] as const)
      expect(of(state, ran)).toEqual(['success', 'approved']);
    expect(of('canceled', ran)).toEqual(['success', 'approved']);
    expect(of('canceled')).toEqual(['canceled', 'superseded']);
    expect(of('rejected')).toEqual(['failed', 'rejected']);
    expect(of('expired')).toEqual(['failed', 'expired']);
  });
});

describe('what people are told of a detached hold', () => {
  const told = (more: Partial<Hold>, progress: RetryProgress | null, alone: boolean) =>
    retryAdvice(hold(more), progress, alone);

  it('is nothing while a job stands for it, and after its end', () => {
    expect(told({ attempts: [attempt(8, { endedAt: null })] }, null, true)).toBeNull();
    expect(told({ state: 'canceled' }, null, true)).toBeNull();
    expect(isDetached(hold({ state: 'running' }))).toBe(false);
  });

  it('T52 names whoever triggered it as the one to press Retry, with the page', () => {
    const alone = told({}, null, false);
    expect(alone).toMatchObject({ by: 'trigger', url: 'https://gitlab.example.com/-/jobs/8' });
    expect(alone?.words).toContain('zoe presses Retry on the page of job 8');
    expect(told({}, { at: 'person', reason: 'the bot token may not retry it (403)' }, true)).toMatchObject({
      by: 'trigger',
      words: expect.stringContaining('(403)'),
    });
    const nameless = { id: null, username: null, name: null, verified: 'unverified' } as const;
    expect(told({ trigger: nameless }, null, false)?.words).toContain('whoever triggered it presses Retry');
  });

  it('says who goes on, before and after the approval', () => {
    const waiting = { state: 'waiting_for_approval', approval: null } as const;
    expect(told(waiting, null, true)?.words).toContain('Once it is approved, Holdpoint retries it');
    expect(told(waiting, null, false)?.words).toContain('Once it is approved, zoe presses Retry');
    expect(told({}, null, true)).toMatchObject({ by: 'holdpoint', words: 'It is approved: Holdpoint retries it.' });
    expect(told({}, { at: 'trying', reason: 'GitLab is away' }, true)?.words).toContain(
      'GitLab is away; it is tried again',
    );
    expect(told({}, { at: 'queued', jobId: 9 }, true)).toMatchObject({ by: 'holdpoint', jobId: 9 });
  });
});
