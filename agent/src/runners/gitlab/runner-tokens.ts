import { createHash } from 'node:crypto';
import { reasonOf } from '../../app/parking/parking.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { RunnerTokenKeep, RunnerTokenRecord } from '../../ports/runner-tokens.ts';

/** One entry of `runners[]`: a runner whose polls this agent answers. */
export interface RunnerEntry {
  readonly name: string;
  /** Its token at GitLab. */
  readonly token: string;
  /** What it says here instead of its token; without it, it says the token itself. */
  readonly gatewayToken?: string | undefined;
  /** False lets its jobs pass ungated. */
  readonly protected: boolean;
  /** `monitor`: what would have been parked is recorded, nothing is parked. */
  readonly mode?: 'enforce' | 'monitor' | undefined;
}

/** A runner with the token that GitLab knows today. */
export interface KnownRunner {
  readonly entry: RunnerEntry;
  /** Changes when the token is reset through this gateway. */
  real: string;
  /** Every token it has had at GitLab that is known here: none of them may reach the runner's side. */
  readonly reals: Set<string>;
  record: RunnerTokenRecord | null;
  /** Why people must look at its token; null when all is well. */
  trouble: string | null;
  /** Resets happen one after the other. */
  queue: Promise<unknown>;
  /** The record is newer than what is on the disk. */
  unsaved: boolean;
}

/** Whose token it is. `misused`: a real one where the runner has one of this gateway. */
export type TokenOwner =
  | { readonly kind: 'runner'; readonly runner: KnownRunner }
  | { readonly kind: 'misused'; readonly runner: KnownRunner }
  | { readonly kind: 'unknown' };

/** The tokens of all runners, both ways. */
export interface RunnerTokens {
  /** Takes up the tokens that were reset before this start. */
  load(): Promise<void>;
  ownerOf(token: string): TokenOwner;
  /** True when some runner has a token of this gateway. */
  readonly substitutes: boolean;
  isGatewayToken(text: string): boolean;
  /**
   * Runs one reset: `ask` goes to GitLab with the token of today and answers the new one, null when there is none.
   * Rejects with `store_unavailable`, GitLab unasked, when the disk would not take a new one.
   */
  reset(
    runner: KnownRunner,
    ask: (real: string) => Promise<{ token: string; expiresAt: string | null } | 'refused' | 'lost'>,
  ): Promise<void>;
  /** GitLab took the runner's token: whatever was feared of it is over. */
  works(runner: KnownRunner): void;
  /** GitLab refused the runner's token. */
  refused(runner: KnownRunner): void;
  /** Names of runners whose token needs people, with the reason. */
  troubles(): readonly { readonly runner: string; readonly reason: string }[];
  /** Tries once more to write what the disk has not taken. */
  close(): Promise<void>;
}

const RETRY_MS = 5_000;
const LOST =
  'GitLab may have made a new token that never arrived: make one in GitLab and put it into the token file of this runner';

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Tokens as the configuration has them; `load` before the first request. */
export function createRunnerTokens(options: {
  readonly runners: readonly RunnerEntry[];
  readonly keep: RunnerTokenKeep | null;
  readonly clock: Clock;
  readonly log: Log;
}): RunnerTokens {
  const { keep, clock, log } = options;
  const runners = options.runners.map(
    (entry): KnownRunner => ({
      entry,
      real: entry.token,
      reals: new Set([entry.token]),
      record: null,
      trouble: null,
      queue: Promise.resolve(),
      unsaved: false,
    }),
  );
  /** By what a runner says here. */
  const spoken = new Map(runners.map((runner) => [runner.entry.gatewayToken ?? runner.entry.token, runner]));
  /** Real tokens of runners that have one of this gateway, old ones too: nobody on the runner's side has any business with them. */
  const real = new Map<string, KnownRunner>();
  for (const runner of runners) if (runner.entry.gatewayToken !== undefined) real.set(runner.entry.token, runner);
  let cancelRetry: () => void = () => {};

  function learn(runner: KnownRunner, token: string): void {
    runner.real = token;
    runner.reals.add(token);
    real.set(token, runner);
  }

  async function loadOne(runner: KnownRunner): Promise<void> {
    const { entry } = runner;
    if (keep === null || entry.gatewayToken === undefined) return;
    let record: RunnerTokenRecord | null;
    try {
      record = await keep.load(entry.name);
    } catch (error) {
      runner.trouble = 'its stored token cannot be opened: if GitLab refuses the configured one, make a new one there';
      log.error({ runner: entry.name, reason: reasonOf(error) }, 'the stored token of a runner cannot be opened');
      return;
    }
    if (record === null) return;
    if (record.configured !== hashOf(entry.token)) {
      log.info({ runner: entry.name }, 'the configuration names a new token: the one that was reset before is dropped');
      return;
    }
    runner.record = record;
    if (record.token !== null) {
      learn(runner, record.token);
    }
    if (!record.asked) return;
    runner.trouble = LOST;
    log.error({ runner: entry.name }, `the agent ended while the token of a runner was being reset: ${LOST}`);
  }

  /** What GitLab has given is good at once; it is written again and again until the disk takes it. */
  async function save(runner: KnownRunner): Promise<void> {
    if (keep === null || runner.record === null) return;
    try {
      await keep.save(runner.entry.name, runner.record);
      if (runner.unsaved) log.info({ runner: runner.entry.name }, 'the new token of a runner is stored');
      runner.unsaved = false;
    } catch (error) {
      const fields = { runner: runner.entry.name, reason: reasonOf(error) };
      log.error(
        fields,
        'the new token of a runner is not on the disk: do not stop the agent before it is; free the disk',
      );
      runner.unsaved = true;
      cancelRetry();
      cancelRetry = clock.after(RETRY_MS, () => {
        for (const each of runners) if (each.unsaved) each.queue = each.queue.then(() => save(each));
      });
    }
  }

  const reset: RunnerTokens['reset'] = (runner, ask) => {
    const run = async (): Promise<void> => {
      if (keep === null) throw new HoldpointError('store_unavailable', 'there is no place to keep a new token');
      const before: RunnerTokenRecord = runner.record ?? {
        configured: hashOf(runner.entry.token),
        token: null,
        expiresAt: null,
        asked: false,
      };
      await keep.save(runner.entry.name, { ...before, asked: true });
      const answer = await ask(runner.real);
      if (answer === 'lost') {
        // Stays marked as asked: nobody knows which token GitLab takes now.
        runner.record = { ...before, asked: true };
        runner.trouble = LOST;
        log.error({ runner: runner.entry.name }, `a reset of a runner's token got no whole answer: ${LOST}`);
        return;
      }
      if (answer === 'refused') {
        runner.record = before;
        await save(runner);
        return;
      }
      runner.record = { ...before, token: answer.token, expiresAt: answer.expiresAt, asked: false };
      learn(runner, answer.token);
      runner.trouble = null;
      await save(runner);
      log.info({ runner: runner.entry.name, expires: answer.expiresAt }, 'the token of a runner was reset');
    };
    const result = runner.queue.then(run);
    runner.queue = result.catch(() => {});
    return result;
  };

  return {
    async load() {
      for (const runner of runners) await loadOne(runner);
    },
    ownerOf(token) {
      const known = spoken.get(token);
      if (known !== undefined) return { kind: 'runner', runner: known };
      const misused = real.get(token);
      return misused === undefined ? { kind: 'unknown' } : { kind: 'misused', runner: misused };
    },
    substitutes: real.size > 0,
    isGatewayToken: (text) => spoken.get(text)?.entry.gatewayToken !== undefined,
    reset,
    works(runner) {
      if (runner.trouble === null) return;
      runner.trouble = null;
      log.info({ runner: runner.entry.name }, 'GitLab takes the token of the runner');
      if (runner.record?.asked !== true) return;
      runner.record = { ...runner.record, asked: false };
      runner.queue = runner.queue.then(() => save(runner));
    },
    refused(runner) {
      if (runner.trouble !== null) return;
      runner.trouble = 'GitLab refuses its token: make a new one there and put it into the token file of this runner';
      log.error({ runner: runner.entry.name }, runner.trouble);
    },
    troubles: () =>
      runners.flatMap(({ entry, trouble, unsaved }) => {
        const reason = trouble ?? (unsaved ? 'its new token is not on the disk yet: free the disk' : null);
        return reason === null ? [] : [{ runner: entry.name, reason }];
      }),
    async close() {
      cancelRetry();
      for (const runner of runners) if (runner.unsaved) await save(runner);
      cancelRetry();
    },
  };
}
