import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { holdpoint } from '../support/holdpoint-process.ts';
import { begin, type Raging } from './apply.ts';
import { calmClock } from './calm-clock.ts';
import type { AuditLine, Disturbed, History } from './history.ts';
import { type People, startPeople } from './people.ts';
import { randomFrom } from './random.ts';
import {
  endedWithRunner,
  excused,
  looked,
  onTheWay,
  outcomes,
  type Rule,
  type Violation,
  violations,
} from './rules.ts';
import { type FaultKind, type Shape, type Step, stormOf } from './schedule.ts';
import { startWorld, type World } from './world.ts';

/** One storm from its seed. */
export interface RoundOptions {
  readonly seed: number;
  readonly shape: Shape;
  readonly stormMs: number;
  readonly faults: number;
  readonly only?: readonly FaultKind[];
  /** Instead of what the seed says: a part of a storm that was seen before. */
  readonly steps?: readonly Step[];
  /** The built command that is tried. */
  readonly program?: string;
  /** A folder that gets what was said and done, where a rule was broken. */
  readonly evidence?: string;
  /** Told what happens when. */
  readonly tell?: (line: string) => void;
}
/** What came of it. */
export interface Round {
  readonly options: RoundOptions;
  readonly steps: readonly Step[];
  /** How often each kind happened; what found nothing to happen to does not count. */
  readonly injected: Readonly<Partial<Record<FaultKind, number>>>;
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly outcomes: Readonly<Record<string, number>>;
  /** How much each rule was held against. */
  readonly looked: Readonly<Record<Rule, number>>;
  /** What was excused, and why. */
  readonly excused: Readonly<Record<string, number>>;
  /** Messages that came twice, and that overtook others. */
  readonly shuffled: { readonly twice: number; readonly overtaken: number };
}

/** By a clock that stands while the machine has no core for the storm. */
const REST_MS = 60_000;
/** By the wall: what is not at rest by then is broken, whatever else the machine did. */
const MAX_REST_MS = 180_000;
/** So long nothing may move for it to count as rest. */
const STILL_MS = 1_500;

/** A storm, the calm after it, and what is found then. */
export async function runRound(options: RoundOptions): Promise<Round> {
  const { seed, shape, stormMs, faults, only } = options;
  const random = randomFrom(seed);
  const steps =
    options.steps ??
    stormOf(random.fork('storm'), shape, { forMs: stormMs, faults, ...(only === undefined ? {} : { only }) });
  const world = await startWorld(shape, options.program);
  try {
    const people = startPeople(world, random.fork('people'));
    const disturbed: Disturbed[] = [];
    const injected: Partial<Record<FaultKind, number>> = {};
    const tell = options.tell ?? (() => {});
    tell('the storm begins');
    await rage(world, steps, stormMs, disturbed, injected, tell);
    tell('the storm is over');
    await people.stop();
    for (const { rest, killRunner } of world.hosts) {
      rest(false);
      killRunner();
    }
    const { restMs, restWallMs, restless } = await settle(world, people, disturbed);
    tell(`at rest after ${restMs} ms, ${restWallMs} ms by the wall ${restless.join('; ')}`);
    const before = new Set(restMs === null ? [] : await waitingJobs(people));
    if (restMs !== null) await people.approveAll(45_000);
    tell('all is approved');
    const after =
      restMs === null ? { restMs: null, restless: [] as readonly string[] } : await settle(world, people, disturbed);
    tell(`at rest again after ${after.restMs} ms ${after.restless.join('; ')}`);
    const history = await gather(world, people, disturbed, { restMs, restWallMs, restless });
    const dead = stillWaiting(history, before);
    const found = [
      ...violations(history),
      ...dead,
      ...(restMs !== null && after.restMs === null
        ? [{ rule: 'rest' as const, words: `what was approved did not come to rest: ${after.restless.join('; ')}` }]
        : []),
      ...world.troubles.map((words) => ({ rule: 'rest' as const, words })),
    ];
    const how: Record<string, number> = {};
    for (const word of outcomes(history).values()) how[word] = (how[word] ?? 0) + 1;
    const shuffled = world.hosts
      .map(({ toHub }) => toHub.counts())
      .reduce((a, b) => ({ twice: a.twice + b.twice, overtaken: a.overtaken + b.overtaken }));
    const round = {
      options,
      steps,
      injected,
      history,
      violations: found,
      outcomes: how,
      looked: looked(history),
      excused: excused(history),
      shuffled,
    };
    if (found.length > 0 && options.evidence !== undefined) await keep(options.evidence, world, round);
    return round;
  } finally {
    await world.close();
  }
}

/** Lets the storm happen; resolves when it is over and everything that it broke works again. */
async function rage(
  world: World,
  steps: readonly Step[],
  stormMs: number,
  disturbed: Disturbed[],
  injected: Partial<Record<FaultKind, number>>,
  tell: (line: string) => void,
): Promise<void> {
  const start = Date.now();
  const all = steps.map(async (step) => {
    await pause(Math.max(0, start + step.at - Date.now()));
    const from = Date.now();
    const raging: Raging | null = begin(world, step);
    const words = `${step.kind} (${step.target}, ${step.amount}) for ${step.forMs} ms`;
    if (raging === null) return tell(`no ${words}`);
    tell(words);
    injected[step.kind] = (injected[step.kind] ?? 0) + 1;
    const mine = raging.touches.map((touched) => ({ ...touched, from, to: Number.POSITIVE_INFINITY }));
    disturbed.push(...mine);
    await pause(step.forMs);
    await raging.heal();
    tell(`healed: ${step.kind} (${step.target})`);
    for (const one of mine) one.to = Date.now();
  });
  const late = new AbortController();
  const end = lateAfter(stormMs, late.signal);
  if ((await Promise.race([Promise.all([...all, pause(stormMs)]), end])) === 'late') {
    const away = [...world.hosts.map(({ agent }) => agent), ...world.hubs.map(({ member }) => member)]
      .filter((member) => !member.isUp())
      .map((member) => `${member.name}: ${member.output().slice(-400)}`);
    world.troubles.push(`a minute after the storm not all was healed; away: ${away.join(', ') || 'none'}`);
  }
  late.abort();
}

/** A minute after the storm, as the program had it: starts wait for cores, too. */
async function lateAfter(stormMs: number, signal: AbortSignal): Promise<'late'> {
  await pause(stormMs, undefined, { signal }).catch(() => {});
  const clock = calmClock();
  while (!signal.aborted && clock.passed() < REST_MS && clock.wallMs() < MAX_REST_MS)
    await pause(250, undefined, { signal }).catch(() => {});
  return 'late';
}

/** What still moves, or would have to; empty at rest. */
async function moving(world: World, people: People, disturbed: readonly Disturbed[]): Promise<readonly string[]> {
  const holds = await people.holds();
  if (holds === null) return ['no hub answers'];
  const of = new Map(holds.map((hold) => [hold.job_id, hold]));
  const started = new Set(world.started.map(({ job }) => job));
  const canceled = new Set(people.canceled);
  const out: string[] = [];
  for (const hold of holds) {
    const { status } = world.gitlab.job(hold.job_id);
    const over = status !== 'running' && status !== 'canceling';
    if (hold.state === 'running' && over) out.push(`hold ${hold.id} is running, its job ${hold.job_id} ${status}`);
    // Canceled in GitLab: the agent hears of it with its next heartbeat, which is a minute away at most by itself.
    if (canceled.has(hold.job_id)) continue;
    if (hold.state === 'pending' && hold.attempt !== null) out.push(`hold ${hold.id} is pending with a live job`);
    if (hold.state === 'waiting_for_approval' && hold.attempt !== null && over)
      out.push(`hold ${hold.id} waits with job ${hold.attempt.job_id}, which is ${status}`);
  }
  const unbegun = world.unbegun.filter(({ job }) => !started.has(job));
  const audit = (
    await Promise.all(unbegun.map(({ job }) => people.rowsOf(of.get(job)?.id ?? null, 'job_confirmed')))
  ).flat();
  const withRunner = endedWithRunner({ unbegun, audit });
  const agents = new Map(people.queued.map(({ job, agent }) => [job, agent]));
  const isNobodys = (job: number, at: number | null): boolean =>
    withRunner.has(job) || (at !== null && onTheWay({ disturbed }, agents.get(job), at).length > 0);
  const rows = people.queued.map(({ job }) => world.gitlab.job(job));
  for (const { id, status, handedOutAt } of rows) {
    if (status === 'pending') out.push(`job ${id} is pending in GitLab`);
    // Whoever is to cancel it never had it where GitLab's answer was lost, or is gone: GitLab ends it by itself.
    if (status === 'canceling' && !started.has(id) && !isNobodys(id, handedOutAt)) out.push(`job ${id} is canceling`);
    if (status !== 'running' || started.has(id) || canceled.has(id)) continue;
    const hold = of.get(id);
    const isParked = hold !== undefined && hold.attempt !== null && hold.state === 'waiting_for_approval';
    if (!isParked && !isNobodys(id, handedOutAt)) out.push(`job ${id} runs in GitLab and nowhere else`);
  }
  return out;
}

async function settle(world: World, people: People, disturbed: readonly Disturbed[]) {
  const clock = calmClock();
  let still: { readonly since: number; readonly restMs: number } | null = null;
  let restless: readonly string[] = [];
  while (clock.passed() < REST_MS + STILL_MS && clock.wallMs() < MAX_REST_MS) {
    restless = await moving(world, people, disturbed);
    if (restless.length > 0) still = null;
    else still ??= { since: clock.wallMs(), restMs: Math.round(clock.passed()) };
    if (still !== null && clock.wallMs() - still.since >= STILL_MS)
      return { restMs: still.restMs, restWallMs: Math.round(still.since), restless };
    await pause(250);
  }
  const waited = `${Math.round(clock.passed() / 1_000)} s of calm, ${Math.round(clock.wallMs() / 1_000)} s by the wall`;
  return { restMs: null, restWallMs: null, restless: [...restless.slice(0, 5), `waited ${waited}`] };
}

const waitingJobs = async (people: People): Promise<readonly number[]> =>
  ((await people.holds()) ?? [])
    .filter(({ state, attempt }) => state === 'waiting_for_approval' && attempt !== null)
    .map(({ job_id }) => job_id);

/** What was parked at rest and has been approved since runs now: else it was parked in name only. */
function stillWaiting(history: History, before: ReadonlySet<number>): readonly Violation[] {
  const started = new Set(history.started.map(({ job }) => job));
  const canceled = new Set(history.canceled);
  return history.gitlab
    .filter(({ job, status }) => before.has(job) && !started.has(job) && !canceled.has(job) && status === 'running')
    .map(({ job }) => ({
      rule: 'alive',
      words: `job ${job} was parked and approved after the storm, and did not run`,
    }));
}

async function gather(
  world: World,
  people: People,
  disturbed: readonly Disturbed[],
  rest: Pick<History, 'restMs' | 'restWallMs' | 'restless'>,
): Promise<History> {
  const exported = await people.read('audit/export', 60_000);
  const holds = (await people.holds()) ?? [];
  const { lines, problem } = exported === null ? { lines: [], problem: 'no hub exports it' } : await verified(exported);
  return {
    queued: people.queued,
    asked: people.asked,
    started: world.started,
    unbegun: world.unbegun,
    disturbed,
    canceled: people.canceled,
    gitlab: people.queued.map(({ job }) => {
      const { status, handedOutAt, handOuts, trace } = world.gitlab.job(job);
      return { job, status, handedOutAt, handOuts, note: trace.includes('Holdpoint: ') };
    }),
    holds: holds.map(({ id, state, job_id, attempt }) => ({
      id,
      state,
      job: job_id,
      attempt: attempt?.job_id ?? null,
    })),
    audit: lines,
    auditProblem: problem,
    ...rest,
  };
}

/** Checked as an auditor does, with the command, and without the hub. */
async function verified(exported: string): Promise<{ lines: AuditLine[]; problem: string | null }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-faults-'));
  try {
    writeFileSync(join(folder, 'audit.ndjson'), exported);
    const { code, out, err } = await holdpoint(['audit', 'verify', join(folder, 'audit.ndjson')]);
    const lines = exported
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditLine)
      .filter(({ seq }) => seq !== undefined);
    return { lines, problem: code === 0 ? null : `${out}${err}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function keep(folder: string, world: World, { history, steps, violations: broken }: Round): Promise<void> {
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  put('violations.txt', broken.map(({ rule, words }) => `${rule}: ${words}\n`).join(''));
  put('steps.json', JSON.stringify(steps, null, 1));
  const { audit, ...rest } = history;
  put('history.json', JSON.stringify(rest, null, 1));
  put('audit.ndjson', audit.map((row) => `${JSON.stringify(row)}\n`).join(''));
  if (world.postgres !== null) put('postgres.log', await world.postgres.look());
  for (const { agent } of world.hosts) put(`${agent.name}.log`, agent.output());
  for (const { member } of world.hubs) put(`${member.name.replace(' ', '-')}.log`, member.output());
}
