import { describe, expect, it } from 'vitest';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import {
  type Attempt,
  FINAL_STATES,
  HOLD_STATES,
  type Hold,
  type HoldCommand,
  type HoldState,
  isFinal,
  LEGAL,
  liveAttempt,
  transition,
} from '../../agent/src/domain/hold.ts';
import { factsFor, START } from '../support/hub-world.ts';

const attempt: Attempt = {
  jobId: 1,
  agent: 'embedded',
  runner: 'prod',
  url: null,
  at: START,
  parkedUntil: START + 1,
  handedOutAt: null,
  endedAt: null,
  ended: null,
};
const base: Hold = {
  id: 7,
  version: 3,
  state: 'waiting_for_approval',
  subject: { instance: 'https://gitlab.example.com', projectId: 4242, job: 'build' },
  projectPath: 'acme/payments/api',
  stage: 'build',
  digest: `sha256:${'0'.repeat(64)}`,
  place: { ref: 'refs/heads/main', refProtected: true, environment: null },
  inputs: 'admitted',
  pipelineId: 100,
  trigger: factsFor({ id: 1 }).trigger,
  review: 5,
  approval: null,
  attempts: [attempt],
  openedAt: START,
  expiresAt: START + 1_000,
  endedAt: null,
  reason: null,
  crossing: null,
  configured: null,
  frozenUntil: null,
  timeoutS: 3600,
};
function holdIn(state: HoldState): Hold {
  const approval = state === 'pending' || state === 'running' ? 9 : null;
  if (!isFinal(state)) return { ...base, state, approval };
  return { ...base, state, endedAt: START, attempts: [{ ...attempt, endedAt: START, ended: state }] };
}

const commands: readonly HoldCommand[] = [
  { type: 'release', approval: 9 },
  { type: 'reject', reason: 'no' },
  { type: 'expire' },
  { type: 'cancel', reason: 'superseded' },
  { type: 'revoke', review: 6, reason: 'revoked' },
  { type: 'freeze', review: 6, until: START + 9, reason: 'frozen by weekends' },
  { type: 'thaw' },
  { type: 'configure', approval: 9, review: 5 },
  { type: 'unconfigure', review: 6, reason: 'revoked' },
  { type: 'block', review: 5, reason: 'approvals are missing' },
  { type: 'attach', attempt: { ...attempt, jobId: 2 }, inputs: 'any', timeoutS: 3600 },
  { type: 'park', jobId: 1, parkedUntil: START + 5 },
  { type: 'detach', jobId: 1, reason: 'live stage over' },
  { type: 'cross', jobId: 1 },
  { type: 'hand_out', jobId: 1 },
  { type: 'confirm', jobId: 1 },
  { type: 'undelivered', jobId: 1 },
  { type: 'unconfirmed', jobId: 1 },
  { type: 'finish', jobId: 1, status: 'success', reason: null },
];

/** Every legal move and where it leads; whatever is not in here must be refused. */
const MOVES: Readonly<Record<string, HoldState>> = {
  'waiting_for_approval release': 'pending',
  'waiting_for_approval reject': 'rejected',
  'waiting_for_approval expire': 'expired',
  'waiting_for_approval cancel': 'canceled',
  'waiting_for_approval attach': 'waiting_for_approval',
  'waiting_for_approval freeze': 'waiting_for_approval',
  'waiting_for_approval thaw': 'waiting_for_approval',
  'waiting_for_approval configure': 'waiting_for_approval',
  'waiting_for_approval unconfigure': 'waiting_for_approval',
  'waiting_for_approval park': 'waiting_for_approval',
  'waiting_for_approval detach': 'waiting_for_approval',
  'waiting_for_approval cross': 'waiting_for_approval',
  'pending reject': 'rejected',
  'pending expire': 'expired',
  'pending cancel': 'canceled',
  'pending revoke': 'waiting_for_approval',
  'pending freeze': 'waiting_for_approval',
  'pending block': 'waiting_for_approval',
  'pending attach': 'pending',
  'pending park': 'pending',
  'pending detach': 'pending',
  'pending hand_out': 'running',
  'running revoke': 'running',
  'running confirm': 'running',
  'running undelivered': 'pending',
  'running unconfirmed': 'failed',
  'running finish': 'success',
};

const pairs = HOLD_STATES.flatMap((state) =>
  commands.map((command) => ({ state, command, name: `${state} ${command.type}` })),
);

describe('the states of a hold', () => {
  it('has every command in the list of this test', () => {
    expect(commands.map((command) => command.type).sort()).toEqual(Object.keys(LEGAL).sort());
  });

  it.each(pairs)('$name leads where it should, or is wrong_state', ({ state, command, name }) => {
    const to = MOVES[name];
    const hold = holdIn(state);
    const move = () => transition(hold, command, START + 10);
    if (to === undefined) {
      let error: unknown;
      try {
        move();
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(HoldpointError);
      expect(error).toMatchObject({ code: 'wrong_state' });
      expect(String(error)).toContain(`hold 7 is ${state}`);
      return;
    }
    const next = move();
    expect(next.state).toBe(to);
    expect(next.version).toBe(hold.version + 1);
    expect(next.endedAt).toBe(isFinal(to) ? START + 10 : null);
    if (isFinal(to)) expect(liveAttempt(next)).toBeNull();
    if (to === 'pending') expect(next.approval).toBe(9);
    if (to === 'waiting_for_approval') expect(next.approval).toBeNull();
  });

  it('is never left from a final state', () => {
    for (const state of FINAL_STATES) for (const command of commands) expect(LEGAL[command.type]).not.toContain(state);
  });

  it.each(['park', 'detach', 'hand_out', 'confirm', 'undelivered', 'unconfirmed', 'finish'] as const)(
    'T41 T51 %s of a job that is not the live one is refused',
    (type) => {
      const hold = holdIn(LEGAL[type][0]!);
      const command = commands.find((c) => c.type === type)!;
      expect(() => transition(hold, { ...command, jobId: 2 } as HoldCommand, START)).toThrow(/job 2/);
      const detached = { ...hold, attempts: [{ ...attempt, endedAt: START, ended: 'detached' }] };
      expect(() => transition(detached, command, START)).toThrow(/no live job/);
    },
  );

  it('ends the older job when another takes its place, and keeps the trigger of the first', () => {
    const next = transition(
      base,
      { type: 'attach', attempt: { ...attempt, jobId: 2 }, inputs: 'any', timeoutS: 3600 },
      START + 10,
    );
    expect(next.attempts.map((a) => [a.jobId, a.ended])).toEqual([
      [1, 'replaced'],
      [2, null],
    ]);
    expect(next.trigger).toEqual(base.trigger);
    expect(next.inputs).toBe('any');
  });

  it('lets only the job run from waiting that was released when its approval was revoked', () => {
    const revoked = transition(holdIn('pending'), { type: 'revoke', review: 6, reason: 'revoked' }, START);
    expect(revoked).toMatchObject({ crossing: 1, review: 6, approval: null });
    expect(transition(revoked, { type: 'hand_out', jobId: 1 }, START).state).toBe('running');
    const other = transition(
      revoked,
      { type: 'attach', attempt: { ...attempt, jobId: 2 }, inputs: 'any', timeoutS: 3600 },
      START,
    );
    expect(() => transition(other, { type: 'hand_out', jobId: 2 }, START)).toThrow(/wrong|not possible/);
  });

  it('does not make a hold approved by not delivering what ran although it was revoked', () => {
    const revoked = transition(holdIn('pending'), { type: 'revoke', review: 6, reason: 'revoked' }, START);
    const ran = transition(revoked, { type: 'hand_out', jobId: 1 }, START);
    expect(transition(ran, { type: 'undelivered', jobId: 1 }, START).state).toBe('waiting_for_approval');
  });
});
