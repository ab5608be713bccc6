import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ViewerEvent } from '../../agent/src/wire/api.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { aHold, type FakeHub, startFakeHub } from '../support/fake-hub.ts';

const TOKEN = 'hp_AbCdEfGhIjKlMnOpQrStUvWxYz012345';
let hub: FakeHub;
let stop: AbortController;
let out: string;
let done: Promise<CliRun>;
beforeEach(async () => {
  hub = await startFakeHub(TOKEN);
  stop = new AbortController();
  out = '';
});
afterEach(async () => {
  stop.abort();
  await done;
  await hub.close();
});

function watch(...argv: string[]): void {
  const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: TOKEN };
  const onOut = (text: string) => {
    out += text;
  };
  done = runCli(['holds', 'watch', ...argv], { env, stop: stop.signal, onOut });
}

/** Waits until this much has been written; a failure shows what was written last. */
const written = (lines: readonly RegExp[]) =>
  vi.waitFor(() => {
    const found = out.split('\n').filter((line) => line !== '');
    expect(found).toEqual(lines.map((line) => expect.stringMatching(line)));
  }, 10_000);

const hint = (id: number, type: ViewerEvent['type'] = 'hold') =>
  hub.hint({ type, id, state: 'whatever', at: '2026-11-22T10:00:00Z' });

function move(id: number, state: 'pending' | 'running' | 'success'): void {
  const hold = hub.holds.get(id)!;
  hub.holds.set(id, {
    ...hold,
    state,
    version: hold.version + 1,
    ended_at: state === 'success' ? '2026-11-22T10:00:00Z' : null,
  });
}

describe('holds watch', () => {
  it('shows what is open, then each change that a hint tells of, as the hub has it and not as the hint says', async () => {
    hub.holds.set(1, aHold(1));
    hub.holds.set(2, aHold(2, { state: 'success' }));
    watch();
    await written([/^10:00:00 {5}1 {2}waiting_for_approval {2}acme\/shop deploy-production {2}main$/]);
    move(1, 'pending');
    hint(1);
    hint(1);
    hint(99);
    hint(1, 'review');
    move(1, 'running');
    hub.holds.set(3, aHold(3, { job: 'build' }));
    hint(3);
    hint(1);
    await vi.waitFor(() => expect(out).toMatch(/3 {2}waiting_for_approval {2}acme\/shop build/), 10_000);
    await vi.waitFor(() => expect(out).toMatch(/1 {2}running/), 10_000);
    expect(out).not.toMatch(/whatever|99/);
  });

  it('writes one object a line with --json, each of the shape of the list', async () => {
    hub.holds.set(1, aHold(1));
    watch('--json');
    await written([/^\{"id":1,"state":"waiting_for_approval"/]);
    move(1, 'success');
    hint(1);
    await written([/^\{"id":1,/, /^\{"id":1,"state":"success"/]);
    const [first, second] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(Object.keys(first)).toEqual(Object.keys(second));
    expect(second).not.toHaveProperty('configuration');
  });

  it('connects again after a drop and reads what it missed meanwhile, ends included', async () => {
    hub.holds.set(1, aHold(1));
    hub.holds.set(2, aHold(2));
    watch();
    await written([/ 1 {2}waiting/, / 2 {2}waiting/]);
    move(1, 'pending');
    move(2, 'success');
    hub.cut();
    await written([/ 1 {2}waiting/, / 2 {2}waiting/, / 1 {2}pending/, / 2 {2}success/]);
    stop.abort();
    expect(await done).toMatchObject({ exit: 0, err: 'holdpoint: lost the hub; connecting again\n' });
  });

  it('ends cleanly when it is stopped, also while the hub is away', async () => {
    watch();
    await vi.waitFor(() => expect(hub.followers()).toBe(1), 10_000);
    stop.abort();
    expect(await done).toEqual({ exit: 0, out: '', err: '' });
    stop = new AbortController();
    watch();
    await vi.waitFor(() => expect(hub.followers()).toBe(1), 10_000);
    await hub.close();
    stop.abort();
    expect((await done).exit).toBe(0);
    hub = await startFakeHub(TOKEN);
  });

  it('ends with 5 when the hub does not take the token, and with 6 when there is no hub', async () => {
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: 'wrong' };
    expect((await runCli(['holds', 'watch'], { env })).exit).toBe(5);
    await hub.close();
    expect((await runCli(['holds', 'watch'], { env })).exit).toBe(6);
    hub = await startFakeHub(TOKEN);
    done = Promise.resolve({ exit: 0, out: '', err: '' });
  });
});
