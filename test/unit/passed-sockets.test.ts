import { describe, expect, it } from 'vitest';
import { passedSockets, requireSamePlace } from '../../agent/src/system/passed-sockets.ts';

const env = (LISTEN_FDS: string, LISTEN_FDNAMES: string, LISTEN_PID = '42') => ({
  LISTEN_FDS,
  LISTEN_FDNAMES,
  LISTEN_PID,
});

describe('sockets that systemd passes', () => {
  it('are known by their names, whatever their order', () => {
    expect([...passedSockets(env('2', 'hub:gateway'), 42)]).toEqual([
      ['hub', 3],
      ['gateway', 4],
    ]);
    expect([...passedSockets(env('1', 'gateway'), 42)]).toEqual([['gateway', 3]]);
  });

  it('are none where none are passed, or where they are meant for another process', () => {
    expect(passedSockets({}, 42).size).toBe(0);
    expect(passedSockets(env('0', ''), 42).size).toBe(0);
    expect(passedSockets(env('2', 'hub:gateway', '41'), 42).size).toBe(0);
  });

  it.each([
    ['1', 'holdpoint-agent.socket', 'wanted gateway or hub'],
    ['2', 'gateway', 'wanted gateway or hub'],
    ['2', 'gateway:gateway', 'one of that name is there already'],
    ['-1', '', 'no number of sockets'],
    ['1e9', '', 'no number of sockets'],
    ['x', '', 'no number of sockets'],
  ])('are refused rather than left alone: %s of them called %s', (count, names, why) => {
    expect(() => passedSockets(env(count, names), 42)).toThrow(why);
  });

  it('must listen where the configuration says', () => {
    const same = (wanted: string, taken: string) => () =>
      requireSamePlace('hub.listen', { host: wanted, port: 8094 }, { host: taken, port: 8094 });
    for (const [wanted, taken] of [
      ['127.0.0.1', '127.0.0.1'],
      ['localhost', '::1'],
      ['::', '::'],
    ] as const)
      expect(same(wanted, taken)).not.toThrow();
    for (const [wanted, taken] of [
      ['127.0.0.1', '0.0.0.0'],
      ['localhost', '0.0.0.0'],
      ['0.0.0.0', '127.0.0.1'],
      ['::1', '::'],
    ] as const)
      expect(same(wanted, taken)).toThrow('hub.listen');
    const otherPort = () =>
      requireSamePlace('gateway.listen', { host: '::1', port: 8093 }, { host: '::1', port: 8095 });
    expect(otherPort).toThrow('listens on [::1]:8095, but gateway.listen is [::1]:8093');
  });
});
