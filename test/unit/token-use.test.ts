import { describe, expect, it } from 'vitest';
import {
  addressGroup,
  flagged,
  MAX_FLAGS,
  signsOf,
  type TokenFlag,
  useFrom,
} from '../../agent/src/domain/token-use.ts';
import { isInJob } from '../../agent/src/wire/token-use.ts';
import { addVariable, fixture, readOk } from './form/payload.ts';

const HOSTS = new Set(['10.0.0.7', '2001:db8::7']);
const NOW = Date.parse('2026-11-22T08:00:00.000Z');

describe('where limits count a request', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:aaaa:bbbb:cccc:dddd', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
  ])('T30 %s counts as %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

describe('T24 what looks like a job', () => {
  const use = (more: object) => ({ ...useFrom('198.51.100.9'), ...more });
  it.each([
    ['a person far away', use({ client: 'curl/8.5' }), []],
    ["an agent's host", useFrom('10.0.0.7'), ['agent_host']],
    ["an agent's host on a socket for both families", useFrom('::ffff:10.0.0.7'), ['agent_host']],
    ["an agent's host over IPv6", useFrom('2001:db8::7'), ['agent_host']],
    ['loopback, where everybody sits who sits at an embedded hub', useFrom('127.0.0.1'), []],
    ['loopback of IPv6', useFrom('::1'), []],
    ['our own command line in a job', use({ saysJob: true }), ['in_job']],
    ['a header that only jobs send', use({ jobHeader: true }), ['ci_client']],
    ["a runner's name", use({ client: 'gitlab-runner 18.5.0 (linux/amd64)' }), ['ci_client']],
    ["an action's name", use({ client: 'actions/http-client' }), ['ci_client']],
    ['our own command line on a laptop', use({ client: 'holdpoint-cli' }), []],
    ['both at once', { ...useFrom('10.0.0.7'), saysJob: true }, ['agent_host', 'in_job']],
  ])('%s', (_, from, signs) => {
    expect(signsOf(from, HOSTS)).toEqual(signs);
  });

  it('loopback is no sign although an agent of this very machine has connected from there', () => {
    expect(signsOf(useFrom('127.0.0.1'), new Set(['127.0.0.1']))).toEqual([]);
  });

  it.each([
    [{ CI_JOB_ID: '7' }, true],
    [{ GITHUB_ACTIONS: 'true' }, true],
    [{ CI: 'true' }, false],
    [{ CI_JOB_ID: '' }, false],
    [{}, false],
  ])('the variables %j around the command line: %s', (env, inside) => {
    expect(isInJob(env)).toBe(inside);
  });
});

describe('the flags of a token', () => {
  const job = { ...useFrom('198.51.100.9'), saysJob: true };

  it('say the same of the same place once an hour', () => {
    const first = flagged([], ['in_job'], job, NOW);
    expect(first.fresh).toEqual(['in_job']);
    expect(flagged(first.flags, ['in_job'], job, NOW + 3_599_000).fresh).toEqual([]);
    const later = flagged(first.flags, ['in_job'], job, NOW + 3_600_000);
    expect(later.fresh).toEqual(['in_job']);
    expect(later.flags).toHaveLength(1);
  });

  it('T30 stay few however many addresses somebody has', () => {
    let flags: readonly TokenFlag[] = [];
    let said = 0;
    for (let i = 0; i < 200; i++) {
      const next = flagged(flags, ['in_job'], { ...job, address: `10.1.0.${i}` }, NOW + i);
      flags = next.flags;
      said += next.fresh.length;
    }
    expect(flags).toHaveLength(MAX_FLAGS);
    expect(said).toBe(MAX_FLAGS);
  });
});

describe('T24 a token of Holdpoint among the variables of a job', () => {
  const token = `hp_${'aB3-_'.repeat(8)}xyz`;
  it.each([
    ['as the whole value', token, true],
    ['within another text', `HOLDPOINT_TOKEN=${token}\n`, true],
    ['of a session', `hps_${'aB3-_'.repeat(8)}xyz`, true],
    ['cut short', token.slice(0, -1), false],
    ['as a part of a longer word', `${token}q`, false],
  ])('%s: the approver is told by name, never the value', (_, value, told) => {
    const payload = fixture();
    addVariable(payload, 'DEPLOY_HELPER', value, { public: false, masked: true });
    const text = readOk(payload).facts.warnings.join('\n');
    expect(text.includes('variable DEPLOY_HELPER holds a token of Holdpoint')).toBe(told);
    expect(text).not.toContain(value.slice(5));
  });
});
