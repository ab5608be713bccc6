import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jobIdentity, lowerTimeout } from '../../agent/src/runners/gitlab/configuration.ts';
import { fixture, fixtureText, readOk } from './form/payload.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

describe('lowering the time-out of a payload', () => {
  it('changes that number and no other byte', () => {
    const before = fixtureText('deploy-production.run1.json');
    const after = text(lowerTimeout(bytes(before), 1234));
    expect(after).toBe(before.replace('"runner_info": {\n  "timeout": 3600', '"runner_info": {\n  "timeout": 1234'));
    expect(readOk(after).digest).toBe(readOk(before).digest);
    expect(readOk(after).job.timeoutS).toBe(1234);
  });

  it('never goes below 60, never raises it, and leaves bytes alone where there is nothing to lower', () => {
    const data = bytes(fixtureText('deploy-production.run1.json'));
    expect(readOk(text(lowerTimeout(data, 5))).job.timeoutS).toBe(60);
    expect(lowerTimeout(data, 3600)).toBe(data);
    expect(lowerTimeout(data, 9999)).toBe(data);
    const p = fixture();
    delete p.runner_info.timeout;
    const without = bytes(JSON.stringify(p));
    expect(lowerTimeout(without, 100)).toBe(without);
    p.runner_info.timeout = 30;
    const short = bytes(JSON.stringify(p));
    expect(lowerTimeout(short, 10)).toBe(short);
  });

  it('T3 finds the number however it is written, and texts that look like it are no number', () => {
    const p = fixture();
    p.steps[0].script = ['{"runner_info":{"timeout":3600}}'];
    p.unknown = { runner_info: { timeout: 3600 } };
    const written = JSON.stringify(p).replace('"runner_info":{"timeout"', '"runner\\u005finfo" :\n{ "time\\u006fut" ');
    const after = JSON.parse(text(lowerTimeout(bytes(written), 77)));
    expect(after.runner_info.timeout).toBe(77);
    expect(after.unknown.runner_info.timeout).toBe(3600);
    expect(after.steps[0].script).toEqual(p.steps[0].script);
  });

  it('refuses bytes that cannot be read', () => {
    expect(() => lowerTimeout(bytes('{"id":1,"id":2}'), 100)).toThrow(/cannot be read again/);
  });
});

describe('the identity of a refused job', () => {
  it('is read from anything that shows it', () => {
    expect(jobIdentity(bytes('{"id":7,"token":"t","Steps":[]}'))).toEqual({ id: 7, token: 't' });
    expect(jobIdentity(bytes('\ufeff{"id": 7 , "token": "t"} trailing'))).toEqual({ id: 7, token: 't' });
    expect(jobIdentity(new Uint8Array([...bytes('{"id":7,"token":"t","x":"'), 0xff, ...bytes('"}')]))).toEqual({
      id: 7,
      token: 't',
    });
  });

  it('is none where id or token is missing, and never throws', () => {
    expect(jobIdentity(bytes('{"id":7}'))).toBe(null);
    expect(jobIdentity(bytes('null'))).toBe(null);
    expect(jobIdentity(new Uint8Array())).toBe(null);
    fc.assert(fc.property(fc.uint8Array(), (data) => void jobIdentity(data)));
  });
});
