import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reconnectDelayMs } from '../../agent/src/link/backoff.ts';
import { linkUrl } from '../../agent/src/link/client.ts';
import { randomFrom } from '../faults/random.ts';

describe('an agent whose link has dropped', () => {
  it('waits longer each time, up to half a minute, never all agents alike', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const wait = reconnectDelayMs(attempt, random);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(Math.min(30_000, 250 * 2 ** attempt));
      }),
    );
    expect(reconnectDelayMs(3, 0.2)).not.toBe(reconnectDelayMs(3, 0.7));
  });

  it('T30 does not come back with a thousand others in the same second when their hub was started again', () => {
    const random = randomFrom(7);
    // The hub is away for so long; each agent tries when its wait is over, until it is back.
    for (const awayMs of [1_500, 4_000, 20_000]) {
      const perSecond = new Map<number, number>();
      for (let agent = 0; agent < 1_000; agent++) {
        let at = 0;
        for (let attempt = 0; at < awayMs; attempt++) at += reconnectDelayMs(attempt, random.next());
        const second = Math.floor((at - awayMs) / 1_000);
        perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
      }
      expect(Math.max(...perSecond.values()), `away for ${awayMs} ms`).toBeLessThan(600);
    }
  });
});

describe('the address of the link', () => {
  it.each([
    ['http://hub:8094', 'ws://hub:8094/api/v1/link'],
    ['https://hub.example.com/', 'wss://hub.example.com/api/v1/link'],
    ['wss://hub.example.com/api/v1/link', 'wss://hub.example.com/api/v1/link'],
    ['https://x.example.com/holdpoint', 'wss://x.example.com/holdpoint/api/v1/link'],
  ])('of %s is %s', (given, link) => {
    expect(linkUrl(given)).toBe(link);
  });
});
