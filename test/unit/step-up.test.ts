import { describe, expect, it } from 'vitest';
import { meetsAlone } from '../../agent/src/domain/meets-alone.ts';
import { codeOf, typedCode } from '../../agent/src/domain/passkey.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { requirementFor } from '../../agent/src/domain/requirement.ts';
import {
  base64url,
  challengeOf,
  FRESH_MS,
  isFresh,
  meets,
  type SignedDecision,
  STEP_UPS,
  strictest,
  type VoteProof,
} from '../../agent/src/domain/step-up.ts';

const DECISION: SignedDecision = {
  gate: 'configuration',
  decision: 'approve',
  person: 21,
  review: 3,
  hold: 7,
  digest: `sha256:${'a'.repeat(64)}`,
  lifetime: null,
  scope: null,
  representedAs: null,
};

describe('T13 the bytes that a passkey signs', () => {
  const of = (change: Partial<SignedDecision> = {}, nonce = 'once') =>
    base64url(challengeOf({ ...DECISION, ...change }, nonce));

  it('are 32, and always the same for the same decision', () => {
    expect(challengeOf(DECISION, 'once')).toHaveLength(32);
    expect(of()).toBe(of());
    // Fixed for ever: whoever checks an old vote computes it again.
    expect(of()).toBe('7-M5qFKo6L9-JOuhFKpZcSfGAszpScuCR2tHi7jaxgs');
  });

  it.each<[string, Partial<SignedDecision>]>([
    ['gate', { gate: 'deployment' }],
    ['person', { person: 22 }],
    ['review', { review: 4 }],
    ['hold', { hold: 8 }],
    ['digest', { digest: `sha256:${'b'.repeat(64)}` }],
    ['lifetime', { lifetime: 'standing' }],
    ['scope', { scope: '{"ref":{"kind":"any"}}' }],
    ['rule', { representedAs: 'security' }],
  ])('are others for another %s', (_, change) => {
    expect(of(change)).not.toBe(of());
  });

  it('are others each time', () => {
    expect(of({}, 'twice')).not.toBe(of());
  });

  it('cannot be made by putting one member into another', () => {
    expect(of({ lifetime: 'run","scope":"x' })).not.toBe(of({ lifetime: 'run', scope: 'x' }));
    expect(of({ lifetime: '' })).not.toBe(of({ lifetime: null }));
  });
});

describe('T21 what is asked for', () => {
  it('is the strictest of all', () => {
    expect(strictest([])).toBe('none');
    expect(strictest(['none', 'fresh_sign_in'])).toBe('fresh_sign_in');
    expect(strictest(['passkey', 'fresh_sign_in', 'none'])).toBe('passkey');
  });

  it('is met by that or more, never by less', () => {
    const fresh: VoteProof = { kind: 'fresh_sign_in', authTime: 0 };
    const said = { passkey: 1, nonce: '', challenge: '', clientData: '', authenticatorData: '', signature: '' };
    const passkey: VoteProof = { kind: 'passkey', ...said };
    const table = STEP_UPS.map((needed) => [undefined, fresh, passkey].map((proof) => meets(needed, proof)));
    expect(table).toEqual([
      [true, true, true],
      [false, true, true],
      [false, false, true],
    ]);
  });

  it('T24 is a sign-in of the last five minutes, not of tomorrow', () => {
    const now = 1_000_000_000;
    expect(isFresh(null, now)).toBe(false);
    expect(isFresh(now - FRESH_MS, now)).toBe(true);
    expect(isFresh(now - FRESH_MS - 1, now)).toBe(false);
    expect(isFresh(now + 3_600_000, now)).toBe(false);
  });
});

describe('T35 what the policy lets through without a vote', () => {
  const person = { id: 21, username: 'maria', name: 'Maria', blocked: false };
  const member = { person, accessLevel: 40, groups: [] };
  const policy = (stepUp: (typeof STEP_UPS)[number]) =>
    requirementFor(
      { ...DEFAULT_POLICY.base, stepUp, version: 'x' },
      { trigger: { id: 21, username: 'maria', name: 'Maria', verified: 'gitlab' }, people: [] },
    );

  it('is not let through where people would have to show who they are', () => {
    expect(STEP_UPS.map((stepUp) => meetsAlone(policy(stepUp), member, 'optional'))).toEqual([true, false, false]);
  });
});

describe('T18 the code of a passkey', () => {
  it('is of the key, and read however it is typed', () => {
    const code = codeOf({ credentialId: 'a', publicKey: 'b' });
    expect(code).toMatch(/^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
    expect(codeOf({ credentialId: 'a', publicKey: 'c' })).not.toBe(code);
    expect(codeOf({ credentialId: 'c', publicKey: 'b' })).not.toBe(code);
    expect(typedCode(` ${code.toLowerCase().replace('-', ' ')} `)).toBe(code);
    expect(typedCode('')).not.toBe(code);
  });
});
