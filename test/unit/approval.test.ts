import { describe, expect, it } from 'vitest';
import { type Approval, isValid, matches } from '../../agent/src/domain/approval.ts';
import { type Lifetime, narrowest, parseLifetime, requireWithin } from '../../agent/src/domain/lifetime.ts';
import { accessOf, membersOf, projectsOf } from '../../agent/src/domain/membership.ts';
import { DEFAULT_POLICY, defaultLifetime, lifetimeLimit } from '../../agent/src/domain/policy.ts';
import { accessLevel } from '../../agent/src/domain/principal.ts';
import { requirementFor } from '../../agent/src/domain/requirement.ts';
import { grantFor, type Token, UNUSED } from '../../agent/src/domain/token.ts';
import { DAY, HOUR, PEOPLE, START } from '../support/hub-world.ts';

const SHIPPED = { ...DEFAULT_POLICY.base, version: DEFAULT_POLICY.version };
const subject = { instance: 'https://gitlab.example.com', projectId: 4242, job: 'build' };
const place = { ref: 'refs/heads/main', refProtected: true, environment: 'production' };
const digest = `sha256:${'a'.repeat(64)}`;
const approval = (lifetime: Lifetime, more: Partial<Approval> = {}): Approval => ({
  id: 1,
  version: 1,
  review: 1,
  subject,
  projectPath: null,
  digest,
  place,
  scope: { ref: { kind: 'exact' }, inputs: 'same_pipeline', runners: null },
  lifetime,
  hold: lifetime.kind === 'run' ? 5 : null,
  votes: [],
  policy: 'p',
  createdAt: START,
  lastUsedAt: null,
  timesUsed: 0,
  revoked: null,
  ...more,
});
const question = { subject, digest, place, hold: 5, inputs: 'same_pipeline', runner: 'prod' } as const;
const standing = approval({ kind: 'standing' });

describe('what an approval covers', () => {
  it('covers exactly what was asked', () => {
    expect(matches(standing, question, START)).toBe(true);
    expect(matches(standing, { ...question, hold: null }, START)).toBe(true);
  });

  it.each([
    ['instance', { subject: { ...subject, instance: 'https://evil.example.com' } }],
    ['project', { subject: { ...subject, projectId: 4243 } }],
    ['job name', { subject: { ...subject, job: 'Build' } }],
    ['digest', { digest: `sha256:${'b'.repeat(64)}` }],
    ['ref', { place: { ...place, ref: 'refs/heads/mainx' } }],
    ['ref type', { place: { ...place, ref: 'refs/tags/main' } }],
    ['merge request ref', { place: { ...place, ref: 'refs/merge-requests/1/head' } }],
    ['protection', { place: { ...place, refProtected: false } }],
    ['environment', { place: { ...place, environment: 'staging' } }],
    ['absence of an environment', { place: { ...place, environment: null } }],
  ])('T10 T11 does not cover another %s', (_, change) => {
    expect(matches(standing, { ...question, ...change }, START)).toBe(false);
  });

  it('T51 with lifetime run covers its own hold and no other, and no job that has none yet', () => {
    const run = approval({ kind: 'run' });
    expect(matches(run, question, START)).toBe(true);
    expect(matches(run, { ...question, hold: 6 }, START)).toBe(false);
    expect(matches(run, { ...question, hold: null }, START)).toBe(false);
    expect(matches({ ...run, hold: null }, { ...question, hold: null }, START)).toBe(false);
  });

  it('T12 ends by date, by disuse, by revocation', () => {
    expect(isValid(approval({ kind: 'until', at: START }), START - 1)).toBe(true);
    expect(isValid(approval({ kind: 'until', at: START }), START)).toBe(false);
    expect(isValid(standing, START + 90 * DAY - 1)).toBe(true);
    expect(isValid(standing, START + 90 * DAY)).toBe(false);
    expect(isValid({ ...standing, lastUsedAt: START + DAY }, START + 90 * DAY)).toBe(true);
    expect(isValid({ ...standing, revoked: { at: START, by: 'maria', reason: null } }, START)).toBe(false);
  });
});

describe('lifetimes', () => {
  it('reads run, standing, a day to its end in UTC, a time', () => {
    expect(parseLifetime('run')).toEqual({ kind: 'run' });
    expect(parseLifetime('until:2026-11-23')).toEqual({ kind: 'until', at: Date.parse('2026-11-23T23:59:59.999Z') });
    expect(parseLifetime('until:2026-11-23T10:00:00Z')).toEqual({
      kind: 'until',
      at: Date.parse('2026-11-23T10:00:00Z'),
    });
  });

  it.each([
    '',
    'forever',
    'until:',
    'until:2026-13-01',
    'until:2026-02-31',
    'until:2026-11-23T25:00:00Z',
    'uses:0',
    ' run',
  ])('refuses %j', (text) => {
    expect(() => parseLifetime(text)).toThrow(/not understood/);
  });

  it('takes the narrowest', () => {
    const until = { kind: 'until', at: START } as const;
    expect(narrowest([{ kind: 'standing' }, until, { kind: 'until', at: START + 1 }])).toEqual(until);
    expect(narrowest([until, { kind: 'run' }])).toEqual({ kind: 'run' });
  });

  it('for a job with an environment is 30 days at most where the policy says nothing else, else standing', () => {
    expect(defaultLifetime(SHIPPED, null, START)).toEqual({ kind: 'standing' });
    expect(defaultLifetime(SHIPPED, 'production', START)).toEqual({ kind: 'until', at: START + 30 * DAY });
    const limit = lifetimeLimit(SHIPPED, 'production');
    expect(() => requireWithin({ kind: 'standing' }, limit, START)).toThrow(/30 days/);
    expect(() => requireWithin({ kind: 'until', at: START + 31 * DAY }, limit, START)).not.toThrow();
    expect(() => requireWithin({ kind: 'until', at: START + 32 * DAY }, limit, START)).toThrow(/longer/);
    const strict = { ...SHIPPED, lifetimes: { ...SHIPPED.lifetimes, max: { kind: 'run' } as const } };
    expect(defaultLifetime(strict, 'production', START)).toEqual({ kind: 'run' });
    expect(() => requireWithin({ kind: 'until', at: START + DAY }, lifetimeLimit(strict, null), START)).toThrow(/run/);
  });
});

describe('people', () => {
  it('inherit from groups whose path is a whole part of the project path, the highest level counts', () => {
    expect(accessOf(PEOPLE, 30, 4242)).toBe(50);
    const prefix = { ...PEOPLE, groups: [{ id: 6, path: 'acme/pay', members: [{ user: 50, accessLevel: 50 }] }] };
    expect(accessOf(prefix, 50, 4242)).toBe(0);
    const both = { ...PEOPLE, groups: [{ id: 6, path: 'acme', members: [{ user: 9, accessLevel: 40 }] }] };
    expect(accessOf(both, 9, 4242)).toBe(40);
    expect(membersOf(both, 4242).filter((m) => m.person.id === 9)).toHaveLength(1);
  });

  it('T20 nobody belongs to a project that the directory does not know', () => {
    expect(membersOf(PEOPLE, 1)).toEqual([]);
    expect(projectsOf(PEOPLE, 9, 20)).toEqual([4242]);
    expect(projectsOf(PEOPLE, 9, 0)).toEqual([4242]);
    for (const { id } of PEOPLE.users) {
      for (const level of [0, 10, 20, 30, 40, 50, 60]) {
        const slowly = PEOPLE.projects.map((p) => p.id).filter((p) => accessOf(PEOPLE, id, p) >= Math.max(level, 1));
        expect(projectsOf(PEOPLE, id, level)).toEqual(slowly);
      }
    }
  });

  it('T19 a blocked person has no access at all', () => {
    const blocked = { ...PEOPLE, users: PEOPLE.users.map((user) => ({ ...user, blocked: user.id === 21 })) };
    expect(accessOf(blocked, 21, 4242)).toBe(0);
  });

  it('have access levels by word or number, and by nothing else', () => {
    expect(['guest', 'planner', 'reporter', 'developer', 'maintainer', 'owner', 'admin'].map(accessLevel)).toEqual([
      10, 15, 20, 30, 40, 50, 60,
    ]);
    expect([30, '30', 35, 'Maintainer', 'toString', '', '4e1', -10].map(accessLevel)).toEqual([
      30,
      30,
      null,
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('who is excluded', () => {
  const trigger = { id: 9, username: 'zoe', name: 'Zoë', verified: 'gitlab' } as const;
  it('T18 is the verified trigger, where the policy forbids self-approval', () => {
    const people = [] as const;
    expect(requirementFor(SHIPPED, { trigger, people }).excluded).toEqual([9]);
    expect(requirementFor(SHIPPED, { trigger: { ...trigger, verified: 'payload' }, people }).excluded).toEqual([9]);
    expect(requirementFor({ ...SHIPPED, selfApproval: 'allow' }, { trigger, people }).excluded).toEqual([]);
  });
  it('T17 is in every mode whom only a variable names', () => {
    expect(
      requirementFor(
        { ...SHIPPED, selfApproval: 'allow' },
        { trigger: { ...trigger, verified: 'unverified' }, people: [] },
      ).excluded,
    ).toEqual([9]);
  });
});

describe('a new token', () => {
  const maker: Token = {
    id: 1,
    hash: '',
    prefix: '',
    name: null,
    owner: { id: 9, username: 'zoe' },
    scopes: ['read'],
    makers: [],
    createdAt: START,
    expiresAt: START + 8 * HOUR,
    ...UNUSED,
  };
  it('T24 never has more scopes nor a longer life than the one that made it', () => {
    expect(grantFor(maker, { scopes: null, livesMs: null }, START + HOUR)).toEqual({
      scopes: ['read'],
      expiresAt: START + 8 * HOUR,
    });
    expect(() => grantFor(maker, { scopes: ['approve'], livesMs: null }, START)).toThrow(/approve/);
    expect(() => grantFor(maker, { scopes: null, livesMs: 9 * HOUR }, START)).toThrow(/outlive/);
  });
  it('T24 lives 8 hours by default, 30 days at most, whoever makes it', () => {
    const admin: Token = { ...maker, scopes: ['admin'] };
    expect(grantFor(admin, { scopes: null, livesMs: null }, START)).toEqual({
      scopes: ['read', 'approve', 'deploy'],
      expiresAt: START + 8 * HOUR,
    });
    expect(() => grantFor(admin, { scopes: null, livesMs: 30 * DAY + 1 }, START)).toThrow(/30 days/);
    expect(grantFor(admin, { scopes: null, livesMs: 30 * DAY }, START).expiresAt).toBe(START + 30 * DAY);
  });
});
