import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HoldDetail, HoldView } from '../../agent/src/wire/api.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import type { EnqueueOptions } from './fake-gitlab.ts';
import { openScene, type Scene } from './scene.ts';
import { ROOT } from './source-files.ts';
import { turnableClock } from './turnable-clock.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
export const alice = { id: 12, username: 'alice', name: 'Alice Okafor' };
export const maria = { id: 21, username: 'maria', name: 'Maria Silva' };

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');

/** A scene whose clocks, GitLab's and Holdpoint's, are turned together. */
export interface DetachedScene extends Scene {
  /** Turns both clocks forward at once. */
  turn(ms: number): void;
  /** Turns them in steps of ten minutes and waits for the heartbeats of this job in each, as long as it runs. */
  live(jobId: number, ms: number): Promise<void>;
  /** Puts a job into the queue of the protected runner. */
  push(what: 'deploy-production' | 'build-image' | 'test-unit', options?: EnqueueOptions): number;
  /** The Hold of this job when it waits with no job standing for it. */
  detached(jobId: number): Promise<HoldDetail>;
  /** Waits for something that is looked at again and again. */
  eventually<T>(what: string, look: () => Promise<T | null | undefined | false>, onWait?: () => void): Promise<T>;
  /** The one job that was made of this one by a retry. */
  retryOf(jobId: number): Promise<number>;
  holds(): Promise<readonly HoldView[]>;
  /** Waits until the agent has its link again, which clocks that are turned fast cut. */
  linked(): Promise<unknown>;
  events(hold: number): Promise<readonly AuditRow[]>;
}

/** Opens it; jobs are detached at once unless `live` says how long they are kept running. */
export async function openDetachedScene(
  options: {
    readonly bot?: readonly ('read' | 'retry' | 'status')[];
    readonly live?: string;
    readonly extra?: string;
    readonly files?: Readonly<Record<string, string>>;
  } = {},
): Promise<DetachedScene> {
  const clock = turnableClock();
  const scene = await openScene({
    clock,
    ...(options.bot === undefined ? {} : { bot: options.bot }),
    // People come back after weeks here; their tokens are not what is looked at.
    files: { 'policy.yaml': 'tokens: { idle: 30d }\n', ...options.files },
    extra: `parking: { live: ${options.live ?? '0s'} }\npolicy: policy.yaml\n${options.extra ?? ''}`,
  });
  const turn = (ms: number): void => {
    scene.gitlab.clock.advance(ms);
    clock.advance(ms);
  };
  const heartbeats = (jobId: number) =>
    scene.gitlab.job(jobId).requests.filter(({ method, status }) => method === 'PUT' && status !== 0).length;
  const self: DetachedScene = Object.assign(scene, {
    turn,
    async live(jobId: number, ms: number) {
      for (let left = ms; left > 0 && scene.gitlab.job(jobId).status === 'running'; left -= 10 * MINUTE) {
        const before = heartbeats(jobId);
        turn(Math.min(left, 10 * MINUTE));
        await scene.gitlab.until(
          `a heartbeat of job ${jobId}`,
          () => heartbeats(jobId) > before || scene.gitlab.job(jobId).status !== 'running',
        );
      }
    },
    push: (what: 'deploy-production' | 'build-image' | 'test-unit', more: EnqueueOptions = {}) =>
      scene.gitlab.enqueue(fixture(`${what}.run1`), { runner: scene.protectedToken, user: zoe, ...more }),
    async eventually<T>(
      what: string,
      look: () => Promise<T | null | undefined | false>,
      onWait: () => void = () => {},
    ) {
      const deadline = Date.now() + 15_000;
      for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > deadline) {
          const holds = (await self.holds()).map(({ id, state, reason, job_id }) => ({ id, state, reason, job_id }));
          const log = scene.log.lines.slice(-15).join('\n');
          throw new Error(`waited 15 s for ${what}; holds: ${JSON.stringify(holds)}\n${log}`);
        }
        onWait();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async detached(jobId: number) {
      const person = await scene.as('maria');
      await scene.gitlab.until(`job ${jobId} failed`, () => scene.gitlab.job(jobId).status === 'failed');
      return self.eventually(`the hold of job ${jobId} to be detached`, async () => {
        const hold = (await self.holds()).find((one) => one.job_id === jobId);
        if (hold === undefined || hold.attempt !== null) return null;
        return (await person.get<HoldDetail>(`holds/${hold.id}`)).body;
      });
    },
    async retryOf(jobId: number) {
      const found = await scene.gitlab.until(`a retry of job ${jobId}`, () => scene.gitlab.job(jobId).retriedAs);
      return found;
    },
    async holds() {
      const person = await scene.as('maria');
      return (await person.get<{ items: HoldView[] }>('holds')).body.items;
    },
    linked: () =>
      self.eventually(
        'the link',
        async () => {
          const answer = await (await scene.as('maria')).get<{ items: { connected: boolean }[] }>('agents');
          return answer.body.items[0]?.connected;
        },
        () => turn(500),
      ),
    async events(hold: number) {
      const person = await scene.as('maria');
      return (await person.get<HoldDetail>(`holds/${hold}`)).body.history;
    },
  });
  return self;
}

/** Approves as this maintainer with the digest that is shown, whether a job stands for the Hold or not. */
export async function approveHold(scene: DetachedScene, hold: HoldDetail, who = 'jonas'): Promise<HoldDetail> {
  const person = await scene.as(who);
  const answer = await person.post<HoldDetail>(`holds/${hold.id}/approve`, { digest: hold.digest });
  if (answer.status !== 200) throw new Error(`not approved: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
