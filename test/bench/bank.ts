import { admit } from '../../agent/src/app/admit.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import { refClass, subjectOf } from '../../agent/src/domain/subject.ts';
import { DAY, HOUR, hubWorld, MINUTE, type World } from '../support/hub-world.ts';
import { nextRun, readOk, type TestPayload } from '../unit/form/payload.ts';
import { QUIET_PAIRS } from '../unit/form/quiet-pairs.ts';
import { digits } from './measure.ts';
import type { Section } from './report.ts';

const PROJECTS = 50;
const JOBS_PER_PROJECT = 8;
const DAYS = 30;
const PIPELINES_PER_WORKDAY = 1;
const JOBS_PER_PIPELINE = 4;
const NIGHTLY_JOBS = 1;
/** The day on which GitLab is upgraded to a release that says something new of every job. */
const UPGRADE_DAY = 15;
const UPGRADE = 'GitLab’s upgrade brought a field that nobody knows';

/** Commits of these runs are none that the pairs themselves name. */
const FIRST_SEED = 1_000;

/** What people really change, and how often a project does it; in days. */
const CHANGES: readonly { readonly cause: string; readonly everyDays: number; readonly edit: Edit }[] = [
  {
    cause: 'a script line changed',
    everyDays: 7,
    edit: (p, n) => void p.steps[0].script.push(`echo change ${n}`),
  },
  {
    cause: 'another image',
    everyDays: 10,
    edit: (p, n) => {
      p.image.name = `registry.example.com/ci/image:${n}`;
    },
  },
  {
    cause: 'a variable of the YAML changed',
    everyDays: 15,
    edit: (p, n) => void p.variables.push({ key: 'FEATURE_LEVEL', value: `level ${n}`, public: true, masked: false }),
  },
  {
    cause: 'a masked secret rotated',
    everyDays: 30,
    edit: (p, n) =>
      void p.variables.push({ key: 'DEPLOY_KEY', value: `rotated-secret-${n}`, public: false, masked: true }),
  },
];

type Edit = (payload: TestPayload, n: number) => void;

/** A job of a project: a quiet pair, whose sides take turns, and what people have changed since. */
interface Job {
  readonly project: number;
  readonly pair: number;
  readonly edits: { readonly edit: Edit; readonly n: number }[];
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
  if (upgraded) payload.execution_hint = { level: 1 };
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

async function runJob(
  world: World,
  job: Job,
  upgraded: boolean,
  id: number,
  tally: Tally,
  approved: Map<string, Seen[]>,
) {
  const read = readOk(payloadOf(job, upgraded));
  job.runs += 1;
  const facts: Facts = {
    ...read.facts,
    project: { id: 1_000 + job.project, path: `bank/project-${job.project}` },
    job: { ...read.facts.job, id, name: `job-${job.pair}` },
    pipeline: { ...read.facts.pipeline, id },
    // As GitLab's jobs API confirms it for artifacts of earlier stages.
    dependencies: read.facts.dependencies.map((each) => ({ ...each, samePipeline: true })),
  };
  const answer = await admit(world.context, 'embedded', {
    digest: read.digest,
    configuration: read.configuration,
    facts,
  });
  tally.jobs += 1;
  if (answer.outcome === 'refuse' || answer.hold === null) throw new Error(`a job was refused: ${answer.reason}`);
  if (answer.outcome === 'hold') {
    const cause = causeOf(job, facts, read.digest, approved);
    tally.holds += 1;
    tally.causes.set(cause, (tally.causes.get(cause) ?? 0) + 1);
    if (cause.startsWith('the digest moved')) {
      const { name } = QUIET_PAIRS[job.pair]!;
      tally.pairs.set(name, (tally.pairs.get(name) ?? 0) + 1);
    }
    world.clock.advance(HOUR / 4);
    await look(world, answer.hold, read.digest, facts);
    await world.approve('maria', answer.hold);
    const seen = {
      digest: read.digest,
      place: placeKey(facts),
      ref: refOf(facts),
      environment: facts.environment?.name ?? null,
    };
    approved.set(subjectKey(facts), [...(approved.get(subjectKey(facts)) ?? []), seen]);
  }
  job.fresh = [];
}

/** Thirty simulated days of a bank: how often people are asked, and why. */
export async function benchBank(): Promise<Section> {
  const world = await hubWorld();
  world.people = {
    users: [{ id: 21, username: 'maria', name: 'Maria', blocked: false }],
    groups: [],
    projects: Array.from({ length: PROJECTS }, (_, p) => ({
      id: 1_000 + p,
      path: `bank/project-${p}`,
      members: [{ user: 21, accessLevel: 40 }],
    })),
  };
  const chance = random(20_261_122);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)]!;
  const projects = Array.from({ length: PROJECTS }, (_, project): Job[] =>
    Array.from({ length: JOBS_PER_PROJECT }, (_, n) => ({
      project,
      // Every pair is somewhere, and each project has others.
      pair: (project * JOBS_PER_PROJECT + n) % QUIET_PAIRS.length,
      edits: [],
      runs: 0,
      fresh: [],
    })),
  );
  const tally: Tally = { jobs: 0, holds: 0, causes: new Map(), pairs: new Map() };
  const approved = new Map<string, Seen[]>();
  let id = 1_000_000;
  let changes = 0;
  for (let day = 0; day < DAYS; day++) {
    const upgraded = day >= UPGRADE_DAY;
    for (const jobs of projects) {
      if (day === UPGRADE_DAY) for (const job of jobs) if (job.runs > 0) job.fresh.push(UPGRADE);
      for (const { cause, everyDays, edit } of CHANGES) {
        if (day === 0 || chance() >= 1 / everyDays) continue;
        const job = pick(jobs.filter((each) => each.runs > 0));
        changes += 1;
        // One of its kind at a time: the newer replaces what the older one wrote.
        const kept = job.edits.filter((each) => each.edit !== edit);
        job.edits.splice(0, job.edits.length, ...kept, { edit, n: changes });
        job.fresh.push(cause);
      }
      const pipelines = day % 7 < 5 ? PIPELINES_PER_WORKDAY : 0;
      for (let n = 0; n < pipelines; n++) {
        const from = Math.floor(chance() * jobs.length);
        for (let k = 0; k < JOBS_PER_PIPELINE; k++)
          await runJob(world, jobs[(from + k) % jobs.length]!, upgraded, ++id, tally, approved);
        world.clock.advance(MINUTE);
      }
      for (let n = 0; n < NIGHTLY_JOBS; n++) await runJob(world, jobs[n]!, upgraded, ++id, tally, approved);
    }
    const midnight = Math.ceil(world.clock.now() / DAY) * DAY;
    world.clock.advance(midnight - world.clock.now());
  }
  await world.store.close();
  const rows = [...tally.causes]
    .sort(([, a], [, b]) => b - a)
    .map(([cause, holds]) => [cause, digits(holds), ((holds * 1000) / tally.jobs).toFixed(1)]);
  rows.push(['**all**', digits(tally.holds), ((tally.holds * 1000) / tally.jobs).toFixed(1)]);
  const unexplained = [...tally.pairs].map(([name, holds]) => `Held though quiet: ${name} (${holds}).`);
  return {
    title: 'Thirty days of a bank: how often people are asked',
    about:
      `${PROJECTS} projects with ${JOBS_PER_PROJECT} jobs each, ${digits(tally.jobs)} jobs in ${DAYS} days. Every job is one of the ${QUIET_PAIRS.length} quiet pairs of the tests (other commits, users, runners, merge requests, tags, ` +
      'schedules, upgrades of GitLab, cleared caches …), whose sides take turns, so each run is an event that must not ask anybody. Beside them a project changes a script line each week, an image every ten days, ' +
      'a variable every fifteen and a masked secret every thirty; all at random, the same in each run. A maintainer approves what is held after a quarter of an hour.',
    tables: [{ caption: 'Why jobs were held:', head: ['cause', 'holds', 'per 1,000 jobs'], rows }],
    aims: [
      {
        what: 'holds for which there was no cause',
        wanted: '0',
        got: digits([...tally.pairs.values()].reduce((sum, n) => sum + n, 0)),
        met: tally.pairs.size === 0,
      },
    ],
    notes: unexplained,
  };
}
