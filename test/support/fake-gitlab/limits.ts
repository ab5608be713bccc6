import { type Answer, json, type World } from './state.ts';

const WINDOW_MS = 60_000;

/** GitLab's throttle: null while under the limit, else the 429 with the headers that the runner obeys. */
export function throttled(world: World, kind: string, token: string, perMinute: number): Answer | null {
  const now = world.now();
  const key = `${kind} ${token}`;
  const recent = (world.recent.get(key) ?? []).filter((at) => at > now - WINDOW_MS);
  recent.push(now);
  world.recent.set(key, recent);
  if (recent.length <= perMinute) return null;
  const resetMs = (recent[0] ?? now) + WINDOW_MS;
  return json(
    429,
    { message: { error: 'This endpoint has been requested too many times. Try again later.' } },
    {
      'Retry-After': String(Math.max(1, Math.ceil((resetMs - now) / 1000))),
      'RateLimit-Limit': String(perMinute),
      'RateLimit-Observed': String(recent.length),
      'RateLimit-Remaining': '0',
      'RateLimit-Reset': String(Math.ceil(resetMs / 1000)),
      'RateLimit-ResetTime': new Date(resetMs).toUTCString(),
    },
  );
}
