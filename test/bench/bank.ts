import { admit } from '../../agent/src/app/admit.ts';
import { propose } from '../../agent/src/app/propose.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { refClass, subjectOf } from '../../agent/src/domain/subject.ts';
import { SHIPPED_TOLERANCE } from '../../agent/src/domain/tolerate.ts';
import { DAY, HOUR, hubWorld, MINUTE, policyWith, type World } from '../support/hub-world.ts';
import { nextRun, readOk, type TestPayload } from '../unit/form/payload.ts';
import { QUIET_PAIRS } from '../unit/form/quiet-pairs.ts';
import { digits } from './measure.ts';
import type { Section } from './report.ts';

/** How large the bank is, and for how long it is watched before its runners are guarded. */
export interface BankSize {
  readonly projects: number;
  readonly jobsPerProject: number;
  readonly pipelinesPerWorkday: number;
  readonly nightlyJobs: number;
  readonly watchedDays: number;
  readonly days: number;
}
/** As measured: the jobs of a large department. */
export const DEPARTMENT: BankSize = {
  projects: 10,
  jobsPerProject: 7,
  pipelinesPerWorkday: 12,
  nightlyJobs: 2,
  watchedDays: 7,
  days: 30,
};
/** The day on which GitLab is upgraded to a release that says something new of every job. */
const UPGRADE_DAY = 15;
const NEW_FIELD = 'execution_hint';
const UPGRADE = 'GitLab’s upgrade brought a field that nobody knows';

/** Commits of these runs are none that the pairs themselves name. */
const FIRST_SEED = 1_000;

/** A masked secret of every job is rotated so often, in days: nobody is to be asked for that. */
const ROTATED_EVERY_DAYS = 15;
/** What people really change, and how often a project does it; in days. */
const CHANGES: readonly { readonly cause: string; readonly everyDays: number; readonly edit: Edit }[] = [
  {
    cause: 'a script line changed',
    everyDays: 10,
    edit: (p, n) => void p.steps[0].script.push(`echo change ${n}`),
  },
  {
    cause: 'another image',
    everyDays: 20,
    edit: (p, n) => {
      p.image.name = `registry.example.com/ci/image:${n}`;
    },
  },
  {
    cause: 'a variable of the YAML changed',
    everyDays: 30,
    edit: (p, n) => void p.variables.push({ key: 'FEATURE_LEVEL', value: `level ${n}`, public: true, masked: false }),
  },
];

type Edit = (payload: TestPayload, n: number) => void;

/** A job of a project: a quiet pair, whose sides take turns, and what people have changed since. */
interface Job {
  readonly project: number;
  readonly pair: number;
  readonly edits: { readonly edit: Edit; readonly n: number }[];
  /** How often its secret was rotated. */
  rotated: number;
  runs: number;
  /** Causes of changes that no run has shown yet. */
  fresh: string[];
}

/** A small generator (mulberry32), so that every run is of the same thirty days. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const sides = new Map<number, readonly [string, string]>();

function payloadOf(job: Job, upgraded: boolean): TestPayload {
  let texts = sides.get(job.pair);
  if (texts === undefined) {
    const [before, after] = QUIET_PAIRS[job.pair]!.payloads();
    texts = [JSON.stringify(before), JSON.stringify(after)];
    sides.set(job.pair, texts);
  }
  const text = texts[job.runs % 2 === 0 ? 0 : 1];
  let payload = JSON.parse(text) as TestPayload;
  // A signed token names its job: it cannot be carried to another run by changing text.
  if (!text.includes('eyJ')) payload = nextRun(payload, FIRST_SEED + job.runs);
  for (const { edit, n } of job.edits) edit(payload, n);
  payload.variables.push({ key: 'DEPLOY_KEY', value: `secret-no-${job.rotated}`, public: false, masked: true });
  if (upgraded) payload[NEW_FIELD] = { level: 1 };
  return payload;
}

interface Tally {
  jobs: number;
  holds: number;
  readonly causes: Map<string, number>;
  readonly pairs: Map<string, number>;
}

/** Why a job was held, from what was approved before of the same subject. */
function causeOf(job: Job, facts: Facts, digest: string, approved: ReadonlyMap<string, readonly Seen[]>): string {
  const fresh = new Set(job.fresh);
  // Whatever else has changed: the new field alone would have held it.
  if (fresh.has(UPGRADE)) return UPGRADE;
  if (fresh.size > 0) return fresh.size === 1 ? [...fresh].join() : 'several of these at once';
  const seen = approved.get(subjectKey(facts)) ?? [];
  if (seen.length === 0) return 'the first run of a job';
  const same = seen.filter((each) => each.digest === digest);
  if (same.length === 0) return 'the digest moved and nobody changed anything';
  if (same.some((each) => each.place === placeKey(facts))) return 'its approval was over';
  const ref = facts.ref.full.startsWith('refs/merge-requests/')
    ? 'the first run for a merge request'
    : facts.ref.full.startsWith('refs/tags/')
      ? 'the first run for an unprotected tag'
      : 'the first run for a branch';
  if (!same.some((each) => each.ref === refOf(facts))) return `${ref} (approved for another ref)`;
  if (!same.some((each) => each.environment === (facts.environment?.name ?? null)))
    return 'the first run for an environment (approved for another)';
  return 'the ref’s protection changed';
}

interface Seen {
  readonly digest: string;
  readonly place: string;
  readonly ref: string;
  readonly environment: string | null;
}

const subjectKey = (facts: Facts): string => `${facts.project.id} ${facts.job.name}`;
const refOf = (facts: Facts): string => refClass({ ref: facts.ref.full, refProtected: facts.ref.protected });
const placeKey = (facts: Facts): string =>
  `${refOf(facts)} ${facts.ref.protected} ${facts.environment?.name ?? 'none'}`;

/** Whoever approves has looked at the values that nobody had seen. */
async function look(world: World, hold: number, digest: string, facts: Facts): Promise<void> {
  if (facts.blind.length === 0) return;
  const reveal = { subject: subjectOf(facts), digest, names: facts.blind, person: 21, hold, at: world.clock.now() };
  await world.store.write((tx) => tx.putReveal(reveal));
}

/** The run of a job as the hub hears of it; null for one that GitLab does not give to a protected runner. */
function runOf(job: Job, upgraded: boolean, id: number) {
  const read = readOk(payloadOf(job, upgraded));
  job.runs += 1;
  if (!read.facts.ref.protected) return null;
  const facts: Facts = {
    ...read.facts,
    project: { id: 1_000 + job.project, path: `bank/project-${job.project}` },
    job: { ...read.facts.job, id, name: `job-${job.pair}` },
    pipeline: { ...read.facts.pipeline, id },
    // As GitLab's jobs API confirms it for artifacts of earlier stages.
    dependencies: read.facts.dependencies.map((each) => ({ ...each, samePipeline: true })),
  };
  return { digest: read.digest, configuration: read.configuration, facts };
}

async function runJob(
  world: World,
  job: Job,
  upgraded: boolean,
  id: number,
  tally: Tally,
  approved: Map<string, Seen[]>,
): Promise<void> {
  const run = runOf(job, upgraded, id);
  if (run === null) return;
  const { digest, facts } = run;
  const answer = await admit(world.context, 'embedded', run);
  tally.jobs += 1;
  if (answer.outcome === 'refuse' || answer.hold === null) throw new Error(`a job was refused: ${answer.reason}`);
  if (answer.outcome === 'hold') {
    const cause = causeOf(job, facts, digest, approved);
    tally.holds += 1;
    tally.causes.set(cause, (tally.causes.get(cause) ?? 0) + 1);
    if (cause.startsWith('the digest moved')) {
      const { name } = QUIET_PAIRS[job.pair]!;
      tally.pairs.set(name, (tally.pairs.get(name) ?? 0) + 1);
    }
    // The operator answers once for all jobs, as every page that relies on it says.
    if (cause === UPGRADE) world.policy = policyWith({ tolerance: WITH_NEW_FIELD }, 'with the new field');
    world.clock.advance(HOUR / 4);
    await look(world, answer.hold, digest, facts);
    await world.approve('maria', answer.hold);
    note(approved, digest, facts);
  }
  job.fresh = [];
}

const WITH_NEW_FIELD = { ...SHIPPED_TOLERANCE, fields: [NEW_FIELD] };

function note(approved: Map<string, Seen[]>, digest: string, facts: Facts): void {
  const environment = facts.environment?.name ?? null;
  const seen = { digest, place: placeKey(facts), ref: refOf(facts), environment };
  approved.set(subjectKey(facts), [...(approved.get(subjectKey(facts)) ?? []), seen]);
}

/** What monitor mode proposes is looked at and approved in one step, before anything is guarded. */
async function approveProposed(world: World, approved: Map<string, Seen[]>): Promise<number> {
  const { approvals, tolerate } = await propose(world.context, world.caller('maria'), 30);
  if (tolerate.length > 0) throw new Error('what nobody changed needs no line of the policy');
  const sightings = await world.store.sightings({ since: 0, projects: null }, 100_000);
  let id = 1;
  for (const one of approvals) {
    for (const place of one.places) {
      const sighting = sightings.find(
        (each) =>
          each.digest === one.digest &&
          each.place.ref === place.ref &&
          each.subject.job === one.subject.job &&
          each.subject.projectId === one.subject.projectId,
      )!;
      id += 1;
      const facts = {
        ...sighting.facts,
        job: { ...sighting.facts.job, id },
        pipeline: { ...sighting.facts.pipeline, id },
      };
      const configuration = JSON.parse((await world.store.configuration(one.digest))!) as JsonObject;
      const { outcome, hold } = await admit(world.context, 'embedded', { digest: one.digest, configuration, facts });
      note(approved, one.digest, facts);
      if (outcome !== 'hold' || hold === null) continue;
      await look(world, hold, one.digest, facts);
      await world.approve('maria', hold);
    }
  }
  return approvals.length;
}

/** What thirty simulated days asked of people. */
export interface BankMonth extends Tally {
  readonly subjects: number;
  /** Approvals that watching had proposed. */
  readonly proposed: number;
  readonly changes: number;
}

/** Some days of watching, one step of approving what was seen, then thirty guarded days under the shipped policy. */
export async function simulateBank(size: BankSize): Promise<BankMonth> {
  const world = await hubWorld();
  world.people = {
    users: [{ id: 21, username: 'maria', name: 'Maria', blocked: false }],
    groups: [],
    projects: Array.from({ length: size.projects }, (_, p) => ({
      id: 1_000 + p,
      path: `bank/project-${p}`,
      members: [{ user: 21, accessLevel: 40 }],
    })),
  };
  const chance = random(20_261_122);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)]!;
  const projects = Array.from({ length: size.projects }, (_, project): Job[] =>
    Array.from({ length: size.jobsPerProject }, (_, n) => ({
      project,
      // Every pair is somewhere, and each project has others.
      pair: (project * size.jobsPerProject + n) % QUIET_PAIRS.length,
      edits: [],
      rotated: 0,
      runs: 0,
      fresh: [],
    })),
  );
  const tally = { jobs: 0, holds: 0, causes: new Map<string, number>(), pairs: new Map<string, number>() };
  const approved = new Map<string, Seen[]>();
  let id = 1_000_000;
  let changes = 0;
  let proposed = 0;

  const change = (jobs: readonly Job[]): void => {
    for (const job of jobs) if (chance() < 1 / ROTATED_EVERY_DAYS) job.rotated += 1;
    for (const { cause, everyDays, edit } of CHANGES) {
      if (chance() >= 1 / everyDays) continue;
      const job = pick(jobs);
      changes += 1;
      // One of its kind at a time: the newer replaces what the older one wrote.
      const kept = job.edits.filter((each) => each.edit !== edit);
      job.edits.splice(0, job.edits.length, ...kept, { edit, n: changes });
      job.fresh.push(cause);
    }
  };
  const runs = function* (jobs: readonly Job[], day: number): Generator<Job> {
    const pipelines = day % 7 < 5 ? size.pipelinesPerWorkday : 0;
    for (let n = 0; n < pipelines; n++) yield* jobs;
    yield* jobs.slice(0, size.nightlyJobs);
  };

  for (let day = -size.watchedDays; day < size.days; day++) {
    if (day === 0) proposed = await approveProposed(world, approved);
    const upgraded = day >= UPGRADE_DAY;
    for (const jobs of projects) {
      if (day === UPGRADE_DAY) for (const job of jobs) job.fresh.push(UPGRADE);
      if (day > 0) change(jobs);
      for (const job of runs(jobs, day + size.watchedDays)) {
        id += 1;
        if (day >= 0) await runJob(world, job, upgraded, id, tally, approved);
        else {
          const run = runOf(job, upgraded, id);
          if (run !== null) await admit(world.context, 'embedded', { ...run, monitor: true });
        }
      }
      world.clock.advance(MINUTE);
    }
    world.clock.advance(Math.ceil(world.clock.now() / DAY) * DAY - world.clock.now());
  }
  await world.store.close();
  return { ...tally, changes, proposed, subjects: size.projects * size.jobsPerProject };
}

/** Thirty simulated days of a bank: how often people are asked, and why. */
export async function benchBank(): Promise<Section> {
  const size = DEPARTMENT;
  const { jobs, holds, causes, pairs, proposed } = await simulateBank(size);
  const perThousand = (n: number) => ((n * 1000) / jobs).toFixed(1);
  const rows = [...causes].sort(([, a], [, b]) => b - a).map(([cause, n]) => [cause, digits(n), perThousand(n)]);
  rows.push(['**all**', digits(holds), perThousand(holds)]);
  return {
    title: 'Thirty days of a bank: how often people are asked',
    about:
      `${size.projects} projects with ${size.jobsPerProject} jobs each, ${size.pipelinesPerWorkday} pipelines of each project on a workday and ${size.nightlyJobs} jobs of it every night: ${digits(jobs)} jobs on protected refs in ${size.days} days, under the policy as shipped. Every job is one of the ${QUIET_PAIRS.length} quiet pairs of the tests (other commits, users, runners, tags, ` +
      'schedules, upgrades of GitLab, cleared caches …), whose sides take turns, so each run is an event that must not ask anybody; a masked secret of each job is rotated every fifteen days. Beside them a project changes a script line every ten days, an image every twenty, ' +
      `a variable of the YAML every thirty; all at random, the same in each run. The runners only watch for ${size.watchedDays} days before; what \`holdpoint approvals propose\` lists then (${proposed} approvals) is approved in one step. A maintainer approves what is held after a quarter of an hour; GitLab’s upgrade in the middle brings a field that nobody knows, which the operator answers once with \`tolerate.fields\`. Refs that are not protected never reach a protected runner.`,
    tables: [{ caption: 'Why jobs were held:', head: ['cause', 'holds', 'per 1,000 jobs'], rows }],
    aims: [
      {
        what: 'holds for which there was no cause',
        wanted: '0',
        got: digits([...pairs.values()].reduce((sum, n) => sum + n, 0)),
        met: pairs.size === 0,
      },
      {
        what: 'holds per 1,000 jobs',
        wanted: 'under 5',
        got: perThousand(holds),
        met: (holds * 1000) / jobs < 5,
      },
    ],
    notes: [...pairs].map(([name, n]) => `Held though quiet: ${name} (${n}).`),
  };
}
