import { describe, expect, it } from 'vitest';
import { deploymentsQuery, protectBody, reprotectBody } from '../../agent/src/wire/v4/bodies.ts';
import { readForm, UnreadableForm } from '../../agent/src/wire/v4/form.ts';
import { problemsOf } from '../../agent/src/wire/v4/params.ts';

const plain = (text: string) => JSON.parse(JSON.stringify(readForm(text)));

/** What a body says is wrong, or what was read. */
function read(schema: typeof protectBody | typeof reprotectBody | typeof deploymentsQuery, body: unknown) {
  const result = schema.safeParse(body);
  return result.success ? result.data : problemsOf(result.error);
}

describe('a form, as Rails reads it', () => {
  it('makes one element of a list until a name comes again', () => {
    expect(
      plain('approval_rules[][group_id]=134&approval_rules[][group_id]=135&approval_rules[][required_approvals]=2'),
    ).toEqual({ approval_rules: [{ group_id: '134' }, { group_id: '135', required_approvals: '2' }] });
  });

  it('takes indices for the order of a list, whatever order they come in', () => {
    expect(plain('a[1][x]=two&a[0][x]=one&a[10][x]=three')).toEqual({
      a: [{ x: 'one' }, { x: 'two' }, { x: 'three' }],
    });
  });

  it('reads objects, lists of values and encoded names alike', () => {
    expect(plain('a[b][c]=1&list[]=x&list[]=y&deploy_access_levels%5B%5D%5Baccess_level%5D=40')).toEqual({
      a: { b: { c: '1' } },
      list: ['x', 'y'],
      deploy_access_levels: [{ access_level: '40' }],
    });
  });

  it('T2: refuses what has two readings, instead of choosing one', () => {
    for (const text of ['a=1&a=2', 'a=1&a[]=2', 'a[]=1&a=2', 'a[b]=1&a[]=2', 'a[b]=1&a=2', 'a[=1', '[a]=1', 'a[b]c=1'])
      expect(() => readForm(text), text).toThrow(UnreadableForm);
  });

  it('T30: refuses names nested without end and pairs without end', () => {
    expect(() => readForm(`a${'[b]'.repeat(9)}=1`)).toThrow(UnreadableForm);
    expect(() => readForm(Array.from({ length: 2_001 }, (_, i) => `a${i}=1`).join('&'))).toThrow(UnreadableForm);
  });

  it('T45: makes ordinary members of __proto__ and constructor', () => {
    const form = readForm('__proto__[admin]=1&constructor=x');
    expect(Object.keys(form)).toEqual(['__proto__', 'constructor']);
    expect(({} as { admin?: string }).admin).toBeUndefined();
  });
});

describe('the parameters of a protected environment', () => {
  it('are the same from a form and from JSON; unknown ones are ignored', () => {
    const form =
      'name=production&deploy_access_levels[][group_id]=138&approval_rules[][group_id]=135&approval_rules[][required_approvals]=2&x=1';
    const json = {
      name: 'production',
      deploy_access_levels: [{ group_id: 138 }],
      approval_rules: [{ group_id: 135, required_approvals: 2 }],
      tier: 'x',
    };
    expect(read(protectBody, readForm(form))).toEqual(read(protectBody, json));
  });

  it("are refused in GitLab's words, all at once", () => {
    expect(read(protectBody, {})).toBe('name is missing, deploy_access_levels is missing');
    expect(read(protectBody, { name: 'x', deploy_access_levels: ['40'] })).toBe('deploy_access_levels is invalid');
    expect(read(protectBody, { name: ['x'], deploy_access_levels: 'y' })).toBe(
      'name is invalid, deploy_access_levels is invalid',
    );
    expect(read(protectBody, { name: 'x', deploy_access_levels: [{ access_level: 10 }], approval_rules: [{}] })).toBe(
      'deploy_access_levels[0][access_level] does not have a valid value, approval_rules[0][access_level], approval_rules[0][user_id], approval_rules[0][group_id] are missing, at least one parameter must be provided',
    );
    expect(read(protectBody, { name: 'x', deploy_access_levels: [{ user_id: 'zoe' }] })).toBe(
      'deploy_access_levels[0][user_id] is invalid',
    );
  });

  it('of a change may name an element alone, to take it away or to keep whom it names', () => {
    const form = 'approval_rules[][id]=38&approval_rules[][_destroy]=true&approval_rules[][id]=39';
    expect(read(reprotectBody, readForm(form))).toEqual({ approval_rules: [{ id: 38, _destroy: true }, { id: 39 }] });
  });
});

describe('the filters of deployments', () => {
  it('are checked as GitLab checks them', () => {
    expect(read(deploymentsQuery, readForm('status=paused&page=x&per_page=0&sort=up&order_by=name'))).toBe(
      'page is invalid, per_page has a value not allowed, order_by does not have a valid value, sort does not have a valid value, status does not have a valid value',
    );
    expect(read(deploymentsQuery, readForm('updated_after=yesterday'))).toBe('updated_after is invalid');
  });

  it('take moments with and without a zone, and days', () => {
    const at = (text: string) => read(deploymentsQuery, { updated_after: text });
    expect(at('2026-11-22T08:00:00Z')).toEqual({ updated_after: Date.UTC(2026, 10, 22, 8) });
    expect(at('2026-11-22T08:00:00.500+01:00')).toEqual({ updated_after: Date.UTC(2026, 10, 22, 7, 0, 0, 500) });
    expect(at('2026-11-22 08:00:00')).toEqual({ updated_after: Date.UTC(2026, 10, 22, 8) });
    expect(at('2026-11-22')).toEqual({ updated_after: Date.UTC(2026, 10, 22) });
    expect(at('')).toEqual({});
  });
});
