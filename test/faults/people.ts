import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT } from '../support/source-files.ts';
import type { Answered, Asked, AuditLine, JobClass, Queued } from './history.ts';
import { OWN_TRIGGER } from './oracle.ts';
import type { Random } from './random.ts';
import type { Host, PersonName, World } from './world.ts';

/** How long somebody waits for an answer before it counts as lost. */
const PATIENCE_MS = 5_000;
/** A key is used for so many jobs, then another variant of it is born: approvals and revokes go on all the while. */
const JOBS_OF_KEY = 12;
const KINDS: readonly JobClass[] = ['standing', 'standing', 'standing', 'duo', 'self', 'counted', 'once'];
const USERS = {
  zoe: { id: 9, username: 'zoe', name: 'Zoë Müller' },
  alice: { id: 12, username: 'alice', name: 'Alice Okafor' },
  [OWN_TRIGGER]: { id: 23, username: 'lena', name: 'Lena Roth' },
} as const;

interface ShownHold {
  readonly id: number;
  readonly digest: string;
  readonly state: string;
  readonly job_id: number;
  readonly attempt: { readonly job_id: number } | null;
}
interface ShownApproval {
  readonly id: number;
  readonly digest: string;
  readonly hold: number | null;
}

/** Pushes, votes, rejects, revokes, retries and cancels, as a seed decides, until it is told to stop. */
export interface People {
  readonly queued: readonly Queued[];
  readonly asked: readonly Asked[];
  readonly canceled: readonly number[];
  stop(): Promise<void>;
  /** Approves all that waits, by as many as it takes, until nothing waits any more or the time is over. */
  approveAll(withinMs: number): Promise<void>;
  /** Every Hold, from the hub that answers; null when none does. */
  holds(): Promise<readonly ShownHold[] | null>;
  /** What the audit has of this event of a Hold; none of no Hold, or when no hub answers. */
  rowsOf(hold: number | null, event: string): Promise<readonly AuditLine[]>;
  /** One answer of any hub, as text; null when none is to be had. */
  read(path: string, timeoutMs?: number): Promise<string | null>;
}

const fixtures = new Map<string, string>();
function fixture(name: string): string {
  const known = fixtures.get(name) ?? readFileSync(join(ROOT, `test/fixtures/gitlab/${name}.json`), 'utf8');
  fixtures.set(name, known);
  return known;
}

// biome-ignore lint/suspicious/noExplicitAny: a fixture is any payload GitLab can send
type Payload = Record<string, any>;

/** A job of this key: one of the fixtures, under another name and with other script lines. */
function payloadOf(key: string, job: string, isProtected: boolean): Payload {
  const payload = JSON.parse(fixture(isProtected ? 'build-image.run1' : 'test-unit.run1')) as Payload;
  const before = payload.job_info.name as string;
  payload.job_info.name = job;
  for (const one of payload.variables as { key: string; value: string }[]) {
    if (one.key === 'CI_JOB_NAME') one.value = job;
    if (one.key === 'CI_JOB_NAME_SLUG') one.value = job.replaceAll(':', '-');
  }
  if (before === job) throw new Error('the fixture has this very name');
  for (const step of payload.steps) if (step.name === 'script') step.script = ['set -e', `echo key=${key}`];
  return payload;
}

/** Lets people begin. */
export function startPeople(world: World, random: Random): People {
  const { gitlab, hubs, tokens } = world;
  const queued: Queued[] = [];
  const asked: Asked[] = [];
  const canceled: number[] = [];
  const byJob = new Map<number, Queued>();
  const keyOfDigest = new Map<string, string>();
  const variants = new Map<string, { variant: number; jobs: number }>();
  const stopping = new AbortController();

  async function call(hub: number, person: PersonName, method: string, path: string, body?: object, ms = PATIENCE_MS) {
    const answer = await fetch(`${hubs[hub % hubs.length]!.url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${tokens[person]}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ms),
    });
    return { status: answer.status, text: await answer.text() };
  }
  async function read(path: string, timeoutMs = PATIENCE_MS): Promise<string | null> {
    for (let hub = 0; hub < hubs.length; hub++) {
      const answer = await call(hub, 'maria', 'GET', path, undefined, timeoutMs).catch(() => null);
      if (answer?.status === 200) return answer.text;
    }
    return null;
  }
  async function list<T>(path: string): Promise<T[] | null> {
    const items: T[] = [];
    for (let cursor = ''; ; ) {
      const text = await read(`${path}${cursor}`);
      if (text === null) return null;
      const page = JSON.parse(text) as { items: T[]; next_cursor: string | null };
      items.push(...page.items);
      if (page.next_cursor === null) return items;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }
  const holds = async (): Promise<ShownHold[] | null> => {
    const all = await list<ShownHold>('holds?limit=100');
    for (const hold of all ?? []) {
      const key = byJob.get(hold.job_id)?.key;
      if (key !== undefined) keyOfDigest.set(hold.digest, key);
    }
    return all;
  };

  async function ask(
    what: Asked['what'],
    person: PersonName,
    about: Pick<Asked, 'key' | 'id' | 'job' | 'alone'>,
    path: string,
    body: object,
  ): Promise<Answered> {
    const hub = random.between(0, hubs.length - 1);
    const sent = Date.now();
    let answer: Answered = 'unknown';
    let status: number | null = null;
    try {
      ({ status } = await call(hub, person, 'POST', path, body));
      answer = status < 300 ? 'taken' : status < 500 ? 'refused' : 'unknown';
    } catch {
      // Lost: it may have been taken all the same.
    }
    asked.push({ what, person, ...about, sent, back: Date.now(), answer, status });
    return answer;
  }

  function push(): void {
    const kind = random.pick(KINDS);
    const place = random.between(0, 2);
    const name = `${kind}-${place}`;
    const known = variants.get(name) ?? { variant: 0, jobs: 0 };
    variants.set(name, known);
    if (++known.jobs > JOBS_OF_KEY) [known.variant, known.jobs] = [known.variant + 1, 1];
    const key = `${name}-${known.variant}`;
    const host: Host = random.pick(world.hosts);
    const user = kind === 'self' ? USERS[OWN_TRIGGER] : random.chance(0.5) ? USERS.zoe : USERS.alice;
    const job = gitlab.enqueue(payloadOf(key, name, place !== 1), { runner: host.token, user });
    remember(job, { key, kind, agent: host.name });
  }
  function remember(job: number, { key, kind, agent }: Pick<Queued, 'key' | 'kind' | 'agent'>): void {
    const one = { job, at: Date.now(), pipeline: gitlab.job(job).pipelineId, key, kind, agent };
    queued.push(one);
    byJob.set(job, one);
  }

  async function decide(): Promise<void> {
    const waiting = ((await holds()) ?? []).filter(({ state }) => state === 'waiting_for_approval');
    if (waiting.length === 0) return;
    const hold = random.pick(waiting);
    const job = byJob.get(hold.job_id);
    if (job === undefined) return;
    const about = { key: job.key, id: hold.id, job: hold.job_id };
    const person = random.pick(['maria', 'jonas', 'lena', 'maria', 'jonas', 'lena', 'zoe'] as const);
    if (random.chance(0.15)) {
      const remember = random.chance(0.3);
      await ask(remember ? 'deny' : 'reject', person, about, `holds/${hold.id}/reject`, {
        digest: hold.digest,
        comment: 'not like this',
        remember,
      });
      return;
    }
    await approve(person, hold, job);
  }
  function approve(person: PersonName, hold: ShownHold, job: Queued): Promise<Answered> {
    const lifetime = job.kind === 'counted' ? 'uses:2' : job.kind === 'once' ? 'run' : undefined;
    return ask('approve', person, { key: job.key, id: hold.id, job: hold.job_id }, `holds/${hold.id}/approve`, {
      digest: hold.digest,
      ...(lifetime === undefined ? {} : { lifetime }),
    });
  }
  async function takeBack(): Promise<void> {
    const approvals = (await list<ShownApproval>('approvals?limit=100&valid=true')) ?? [];
    if (approvals.length === 0) return;
    const { id, digest, hold: alone } = random.pick(approvals);
    const key = keyOfDigest.get(digest);
    if (key === undefined) return;
    const person = random.pick(['maria', 'jonas', 'lena'] as const);
    await ask('revoke', person, { key, id, job: null, alone }, `approvals/${id}/revoke`, { comment: 'taken back' });
  }
  function again(): void {
    const ended = gitlab.jobs().filter(({ status, retriedAs }) => status === 'failed' && retriedAs === null);
    if (ended.length === 0) return;
    const { id } = random.pick(ended);
    const before = byJob.get(id);
    if (before !== undefined) remember(gitlab.retry(id), before);
  }
  function cancel(): void {
    const open = gitlab.jobs().filter(({ status }) => status === 'running' || status === 'pending');
    if (open.length === 0) return;
    const { id } = random.pick(open);
    canceled.push(id);
    gitlab.cancel(id, { graceful: random.chance(0.5) });
  }

  const habit = async (everyMs: number, act: () => unknown): Promise<void> => {
    while (!stopping.signal.aborted) {
      await pause(everyMs * (0.5 + random.next()), undefined, { signal: stopping.signal }).catch(() => {});
      if (!stopping.signal.aborted) await act();
    }
  };
  const habits = [
    habit(350, push),
    habit(500, decide),
    habit(700, decide),
    habit(2_000, takeBack),
    habit(2_500, again),
    habit(6_000, cancel),
  ];
  return {
    queued,
    asked,
    canceled,
    holds,
    rowsOf: async (hold, event) =>
      hold === null ? [] : ((await list<AuditLine>(`audit?limit=100&hold=${hold}&event=${event}`)) ?? []),
    read,
    async stop() {
      stopping.abort();
      await Promise.all(habits);
    },
    async approveAll(withinMs) {
      const end = Date.now() + withinMs;
      while (Date.now() < end) {
        const waiting = ((await holds()) ?? []).filter(({ state }) => state === 'waiting_for_approval');
        if (waiting.length === 0) return;
        const answered = new Set<string>();
        for (const hold of waiting) {
          const job = byJob.get(hold.job_id);
          // The hub takes so many votes of one person in a minute: one answers all that wait for the same, where it may.
          const isEach = job?.kind === 'counted' || job?.kind === 'once';
          if (job === undefined || (!isEach && answered.has(job.key))) continue;
          answered.add(job.key);
          const voters = (['maria', 'jonas'] as const).slice(0, job.kind === 'duo' ? 2 : 1);
          const turned = isEach ? [(['maria', 'jonas', 'lena'] as const)[hold.id % 3]!] : voters;
          for (const person of turned) await approve(person, hold, job);
        }
        await pause(200);
      }
    },
  };
}
