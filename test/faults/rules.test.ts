/** The oracle and the rules on histories that were made up: each rule has to be broken by what breaks it, and by nothing else. */
import { describe, expect, it } from 'vitest';
import type { Asked, AuditLine, History, Queued, Started } from './history.ts';
import { couldBeApproved } from './oracle.ts';
import { excused, looked, outcomes, RULES, violations } from './rules.ts';

const T = 1_000_000;
const queued = (more: Partial<Queued> = {}): Queued => ({
  job: 1,
  at: T,
  pipeline: 10,
  key: 'standing-0-0',
  kind: 'standing',
  agent: 'build-1',
  ...more,
});
const asked = (more: Partial<Asked> = {}): Asked => ({
  what: 'approve',
  person: 'maria',
  key: 'standing-0-0',
  id: 5,
  job: 1,
  sent: T + 1_000,
  back: T + 1_100,
  answer: 'taken',
  status: 200,
  ...more,
});
const started = (more: Partial<Started> = {}): Started => ({
  job: 1,
  at: T + 2_000,
  runner: 'build-1 runner 1',
  agent: 'build-1',
  key: 'standing-0-0',
  ...more,
});
const row = (seq: number, event: string, more: Partial<AuditLine> = {}): AuditLine => ({
  seq,
  actor: 'agent:build-1',
  event,
  hold: 5,
  approval: null,
  detail: { job_id: 1 },
  ...more,
});
const voted = row(2, 'vote_approve', { actor: 'user:21 maria', detail: {} });
/** One job that maria let run, and that went well. */
const fine: History = {
  queued: [queued()],
  asked: [asked()],
  started: [started()],
  unbegun: [],
  disturbed: [],
  canceled: [],
  gitlab: [{ job: 1, status: 'success', handedOutAt: T + 100, handOuts: 1, note: true }],
  holds: [{ id: 5, state: 'success', job: 1, attempt: null }],
  audit: [
    row(1, 'hold_opened'),
    voted,
    row(3, 'hold_released'),
    row(4, 'job_handed_out'),
    row(5, 'job_confirmed'),
    row(6, 'job_ended'),
  ],
  auditProblem: null,
  restMs: 900,
  restWallMs: 1_200,
  restless: [],
};
const broken = (more: Partial<History>): string[] => [
  ...new Set(violations({ ...fine, ...more }).map(({ rule }) => rule)),
];

describe('the rules of the storms', () => {
  it('are kept by a history in which nothing went wrong', () => {
    expect(violations(fine)).toEqual([]);
    expect([...outcomes(fine).values()]).toEqual(['handed over, success']);
  });

  it('are broken by a job that is nowhere, and not by one that is parked, failed with a note, or lost on the wire', () => {
    const gitlab = [{ job: 1, status: 'running', handedOutAt: T + 100, handOuts: 1, note: false }];
    const nobody = { gitlab, started: [], holds: [] };
    expect(broken(nobody)).toEqual(['lost']);
    const parked = { ...nobody, holds: [{ id: 5, state: 'waiting_for_approval', job: 1, attempt: 1 }] };
    expect(broken(parked)).toEqual([]);
    expect(broken({ ...nobody, gitlab: [{ ...gitlab[0]!, status: 'failed', note: true }] })).toEqual([]);
    expect(broken({ ...nobody, gitlab: [{ ...gitlab[0]!, status: 'failed' }] })).toEqual(['lost']);
    const wire = { who: 'build-1', what: 'gitlab', from: T, to: T + 200 } as const;
    expect(broken({ ...nobody, disturbed: [wire] })).toEqual([]);
    expect(broken({ ...nobody, disturbed: [{ ...wire, who: 'build-2' }] })).toEqual(['lost']);
    expect(broken({ ...nobody, disturbed: [{ ...wire, from: T + 60_000, to: T + 70_000 }] })).toEqual(['lost']);
  });

  it('are not broken by a job whose runner was ended before it began, if it had shown itself: else its agent has to fail it', () => {
    const gitlab = [{ job: 1, status: 'running', handedOutAt: T + 100, handOuts: 1, note: true }];
    const holds = [{ id: 5, state: 'running', job: 1, attempt: 1 }];
    const { key: _, ...ended } = started();
    const nobody = { gitlab, started: [], holds };
    expect(broken(nobody)).toEqual(['lost']);
    expect(broken({ ...nobody, unbegun: [ended] })).toEqual([]);
    expect([...outcomes({ ...fine, ...nobody, unbegun: [ended] }).values()]).toEqual([
      'ended with its runner before its first line',
    ]);
    expect(broken({ ...nobody, unbegun: [{ ...ended, job: 2 }] })).toEqual(['lost']);
    const unshown = fine.audit.filter(({ event }) => event !== 'job_confirmed');
    expect(broken({ ...nobody, unbegun: [ended], audit: unshown })).toEqual(['lost']);
    expect(broken({ ...nobody, unbegun: [ended], gitlab: [{ ...gitlab[0]!, status: 'failed', note: false }] })).toEqual(
      ['lost'],
    );
    expect(Object.entries(excused({ ...fine, ...nobody, unbegun: [ended] }))).toEqual([
      [expect.stringMatching(/its runner had shown to have/), 1],
    ]);
  });

  it('are broken by a job that nobody let run, or who may not, or too few, or that was taken back', () => {
    expect(broken({ asked: [] })).toEqual(['unapproved']);
    expect(broken({ asked: [asked({ person: 'zoe' })], audit: [{ ...voted, actor: 'user:9 zoe' }] })).toEqual([
      'unapproved',
    ]);
    expect(broken({ asked: [asked({ answer: 'refused' })] })).toEqual(['unapproved']);
    expect(broken({ asked: [asked({ sent: T + 2_500, back: T + 2_600 })] })).toEqual(['unapproved']);
    expect(broken({ queued: [queued({ kind: 'duo' })] })).toEqual(['unapproved']);
    const own = asked({ person: 'lena' });
    expect(couldBeApproved({ ...fine, asked: [own] }, queued(), T + 9_000)).toBe(true);
    expect(couldBeApproved({ ...fine, asked: [own] }, queued({ kind: 'self' }), T + 9_000)).toBe(false);
    const revoke = asked({ what: 'revoke', id: 3, job: null, sent: T + 1_200, back: T + 1_300 });
    const audit = [...fine.audit, row(7, 'approval_revoked', { actor: 'user:21 maria', hold: null, approval: 3 })];
    const late = { asked: [asked(), revoke], audit, started: [started({ at: T + 60_000 })] };
    expect(broken(late)).toEqual(['unapproved']);
    // A hand-over that was on its way, and an agent that nobody could tell, have their time; not more.
    expect(broken({ ...late, started: [started({ at: T + 4_000 })] })).toEqual([]);
    const cut = { who: 'build-1', what: 'hub', from: T, to: T + 90_000 } as const;
    expect(broken({ ...late, started: [started({ at: T + 20_000 })], disturbed: [cut] })).toEqual([]);
    expect(broken({ ...late, disturbed: [cut] })).toEqual(['unapproved']);
  });

  it('are broken by the approval of one hold that lets another one run, and by one use too many', () => {
    const once = [queued({ kind: 'once' }), queued({ kind: 'once', job: 2, pipeline: 11 })];
    const second = { job: 2, at: T + 3_000 };
    const gitlab = [...fine.gitlab, { ...fine.gitlab[0]!, job: 2 }];
    expect(broken({ queued: once, gitlab, started: [started(), started(second)] })).toEqual(['unapproved']);
    // What is revoked for another run alone takes nothing from this one.
    const holds = [1, 2].map((job) => ({ id: 20 + job, state: 'pending', job, attempt: job }));
    const revokeFor = (alone: number) =>
      asked({ what: 'revoke', id: 9, job: null, alone, sent: T + 1_500, back: T + 1_600 });
    const after = (alone: number) => ({
      ...fine,
      queued: once,
      holds,
      asked: [asked(), asked({ job: 2 }), revokeFor(alone)],
    });
    expect([21, 22].map((alone) => couldBeApproved(after(alone), once[1]!, T + 9_000))).toEqual([true, false]);
    const counted = [1, 2, 3].map((job) => queued({ kind: 'counted', job, pipeline: 10 + job }));
    const runs = [1, 2, 3].map((job) => started({ job, at: T + 2_000 + job }));
    expect(broken({ queued: counted, started: runs.slice(0, 2) })).toEqual([]);
    expect(broken({ queued: counted, started: runs })).toEqual(['uses']);
  });

  it('are broken by another script, by a second run, and by a rejected job that runs', () => {
    expect(broken({ started: [started({ key: 'standing-0-1' })] })).toEqual(['payload']);
    expect(broken({ started: [started({ job: 77 })] })).toContain('payload');
    expect(broken({ started: [started(), started({ runner: 'build-1 runner 2' })] })).toEqual(['twice']);
    const reject = asked({ what: 'reject', person: 'jonas', sent: T + 1_500, back: T + 1_600 });
    const audit = [...fine.audit.slice(0, 2), row(3, 'vote_reject', { actor: 'user:22 jonas', detail: {} })];
    expect(broken({ asked: [asked(), reject], audit })).toEqual(['rejected']);
  });

  it('are broken by a vote that the audit does not know, an audit that does not verify, and a state that is none', () => {
    expect(broken({ audit: fine.audit.filter(({ event }) => event !== 'vote_approve') })).toEqual(['vote']);
    expect(broken({ audit: fine.audit.map((one) => ({ ...one, actor: 'user:22 jonas' })) })).toEqual(['vote']);
    expect(broken({ auditProblem: 'row 3 was changed' })).toEqual(['audit']);
    expect(broken({ holds: [{ id: 5, state: 'lingering', job: 1, attempt: null }] })).toEqual(['states']);
    expect(broken({ audit: [...fine.audit, row(7, 'hold_released')] })).toEqual(['states']);
    expect(broken({ audit: fine.audit.filter(({ event }) => event !== 'hold_released') })).toEqual(['states']);
  });

  it('are kept by a job that its agent let go by itself once the hub is told so, and by no other job of its hold', () => {
    const offline = row(3, 'job_passed_offline', { approval: 2, detail: { job_id: 1, state: 'waiting_for_approval' } });
    const told = (...rows: AuditLine[]) => ({
      audit: [row(1, 'hold_opened'), voted, ...rows, row(4, 'job_handed_out'), row(5, 'job_ended')],
    });
    expect(broken(told(offline))).toEqual([]);
    expect(broken(told())).toEqual(['states']);
    expect(broken(told({ ...offline, event: 'report_refused' }))).toEqual(['states']);
    expect(broken(told({ ...offline, detail: { ...offline.detail, job_id: 2 } }))).toEqual(['states']);
    expect(broken(told({ ...offline, hold: 6 }))).toEqual(['states']);
    const late = told();
    expect(broken({ audit: [...late.audit, { ...offline, seq: 6 }] })).toEqual(['states']);
    // What began as such a job has its approval from the first row on.
    const begun = [row(1, 'job_passed_offline', { approval: 2 }), voted, row(4, 'job_handed_out')];
    expect(broken({ audit: begun })).toEqual([]);
  });

  it('say what they excuse, with the reason, and how much they were held against', () => {
    expect(excused(fine)).toEqual({});
    expect(looked(fine)).toMatchObject({ lost: 1, unapproved: 1, vote: 1, rejected: 0, audit: 6, uses: 0 });
    const gitlab = [{ job: 1, status: 'running', handedOutAt: T + 100, handOuts: 1, note: false }];
    const wire = { who: 'build-1', what: 'gitlab', from: T, to: T + 200 } as const;
    const nobody = { ...fine, gitlab, started: [], holds: [], disturbed: [wire] };
    expect(Object.entries(excused(nobody))).toEqual([[expect.stringMatching(/nobody ever had: the wire/), 1]]);
    expect(Object.keys(excused({ ...nobody, disturbed: [{ ...wire, what: 'process' }] }))).toEqual([
      expect.stringMatching(/nobody ever had: its agent/),
    ]);
    const revoke = asked({ what: 'revoke', id: 3, job: null, sent: T + 1_200, back: T + 1_300 });
    const cut = { who: 'build-1', what: 'hub', from: T, to: T + 90_000 } as const;
    const late = { ...fine, asked: [asked(), revoke], started: [started({ at: T + 20_000 })], disturbed: [cut] };
    expect(Object.entries(excused(late))).toEqual([[expect.stringMatching(/taken back more than 4 s before/), 1]]);
    expect(excused({ ...fine, asked: [asked({ answer: 'unknown' })] })).toEqual({
      'approve whose answer was lost: it may count or not': 1,
    });
  });

  it('are broken by a system that does not come to rest', () => {
    expect(broken({ restMs: null, restless: ['hold 5 is pending'] })).toEqual(['rest']);
    expect(broken({ restMs: 61_000 })).toEqual(['rest']);
    expect(Object.keys(RULES)).toHaveLength(11);
  });
});
