import { describe, expect, it } from 'vitest';
import { inferredTier, TIERS, tiersOf } from '../../agent/src/domain/environment-tier.ts';

describe('the tier of an environment', () => {
  it.each([
    ['production', 'production'],
    ['Production', 'production'],
    ['eu-prod', 'production'],
    ['prd-1', 'production'],
    ['live', 'production'],
    ['gprd-cny', 'production'],
    ['staging', 'staging'],
    ['stg', 'staging'],
    ['pre-prod', 'staging'],
    ['non-prod', 'staging'],
    ['demo', 'staging'],
    ['model', 'staging'],
    ['test', 'testing'],
    ['tst', 'testing'],
    ['integration', 'testing'],
    ['acceptance', 'testing'],
    ['acpt', 'testing'],
    ['qa', 'testing'],
    ['control', 'testing'],
    ['review/login', 'development'],
    ['dev', 'development'],
    ['trunk', 'development'],
    ['customer', 'other'],
  ])('%s is %s, as GitLab infers it', (name, tier) => {
    expect(inferredTier(name)).toBe(tier);
  });

  it('T20 may be what the job declares or what its name says, the stricter first; a word that is no tier says nothing', () => {
    expect(tiersOf({ name: 'eu-prod', tier: 'development' })).toEqual(['production', 'development']);
    expect(tiersOf({ name: 'eu-west', tier: 'production' })).toEqual(['production', 'other']);
    expect(tiersOf({ name: 'eu-prod', tier: 'harmless' })).toEqual(['production']);
    expect(tiersOf({ name: 'staging', tier: null })).toEqual(['staging']);
  });

  it('T20 T30 is any of them where GitLab could not be asked', () => {
    expect(tiersOf({ name: 'customer-a', tier: 'other', verified: false })).toEqual([...TIERS]);
  });
});
