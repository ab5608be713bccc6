import { randomBytes } from 'node:crypto';
import { admit } from '../../agent/src/app/admit.ts';
import { type Decision, decide } from '../../agent/src/app/decide.ts';
import { resolvePolicy } from '../../agent/src/app/governing.ts';
import type { Caller, HubContext } from '../../agent/src/app/hub-context.ts';
import { report } from '../../agent/src/app/report.ts';
import { directoryOf } from '../../agent/src/directories/principals-file.ts';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { DEFAULT_POLICY, type Policy, type PolicySettings } from '../../agent/src/domain/policy.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import { type TokenScope, UNUSED } from '../../agent/src/domain/token.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import type { Clock } from '../../agent/src/ports/clock.ts';
import type { HoldReport } from '../../agent/src/ports/gatekeeper.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import type { ChangedEvent } from '../../agent/src/ports/push.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { testStore } from './test-store.ts';

/** Key of the world's hidden values. */
export const VARIABLE_KEY = new Uint8Array(32).fill(7);
export const START = Date.parse('2026-11-22T08:00:00.000Z');
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The default policy with other settings; its version is another for each. */
export function policyWith(settings: Partial<PolicySettings>, version = JSON.stringify(settings)): Policy {
  return { ...DEFAULT_POLICY, version, base: { ...DEFAULT_POLICY.base, ...settings } };
}

/** A clock that stands still until it is turned; what falls due then is called in order. */
export function manualClock(): Clock & { advance(ms: number): void } {
  let now = START;
  const due = new Map<number, { at: number; run: () => void }>();
  let ids = 0;
  return {
    now: () => now,
    after(ms, run) {
      const id = ids++;
      due.set(id, { at: now + ms, run });
      return () => due.delete(id);
    },
    advance(ms) {
      now += ms;
      const ready = [...due].filter(([, timer]) => timer.at <= now).sort(([, a], [, b]) => a.at - b.at);
      for (const [id, timer] of ready) if (due.delete(id)) timer.run();
    },
  };
}

/** A log that remembers what was said. */
export function hubLog(): Log & {
  readonly lines: { level: string; fields: Record<string, unknown>; message: string }[];
} {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void lines.push({ level, fields, message });
  const log = { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return log;
}

/** zoe and alice are developers, maria and jonas maintainers of project 4242; olga owns the group; rita reports, gus is a guest. */
export const PEOPLE: Principals = {
  users: [
    [9, 'zoe'],
    [12, 'alice'],
    [21, 'maria'],
    [22, 'jonas'],
    [30, 'olga'],
    [40, 'rita'],
    [41, 'gus'],
    [50, 'stranger'],
  ].map(([id, username]) => ({
    id: Number(id),
    username: String(username),
    name: String(username).toUpperCase(),
    blocked: false,
  })),
  groups: [{ id: 5, path: 'acme', members: [{ user: 30, accessLevel: 50 }] }],
  projects: [
    {
      id: 4242,
      path: 'acme/payments/api',
      members: [
        { user: 9, accessLevel: 30 },
        { user: 12, accessLevel: 30 },
        { user: 21, accessLevel: 40 },
        { user: 22, accessLevel: 40 },
        { user: 40, accessLevel: 20 },
        { user: 41, accessLevel: 10 },
      ],
    },
    { id: 4243, path: 'acme/web', members: [{ user: 50, accessLevel: 40 }] },
  ],
};

/** What a test says of a job; the rest is a push of zoe to main. */
export interface JobSpec {
  readonly id: number;
  readonly pipeline?: number | null;
  readonly script?: readonly string[];
  readonly name?: string;
  readonly project?: number;
  readonly by?: string | null;
  readonly verified?: Facts['trigger']['verified'];
  readonly ref?: string;
  readonly protected?: boolean;
  readonly environment?: string;
  readonly agent?: string;
  readonly runner?: string;
  readonly people?: Facts['commit']['people'];
  readonly dependencies?: Facts['dependencies'];
  readonly behaviour?: readonly string[];
  readonly extra?: JsonObject;
}

export function configurationFor(script: readonly string[], extra: JsonObject = {}): JsonObject {
  return {
    form: 'holdpoint.configuration/v1',
    steps: [{ name: 'script', script: [...script], when: 'on_success' }],
    image: { name: 'alpine:3.20' },
    ...extra,
  };
}

export function factsFor(job: JobSpec): Facts {
  const ref = job.ref ?? 'refs/heads/main';
  const by = job.by === undefined ? 'zoe' : job.by;
  const person = PEOPLE.users.find((user) => user.username === by);
  const project = job.project ?? 4242;
  return {
    instance: 'https://gitlab.example.com',
    project: { id: project, path: project === 4242 ? 'acme/payments/api' : 'acme/web' },
    job: { id: job.id, name: job.name ?? 'build', stage: 'build', url: `https://gitlab.example.com/-/jobs/${job.id}` },
    pipeline: { id: job.pipeline === undefined ? 100 : job.pipeline, source: 'push', url: null, verified: true },
    ref: {
      full: ref,
      name: ref.split('/').slice(2).join('/'),
      type: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
      protected: job.protected ?? true,
    },
    commit: { sha: 'a'.repeat(40), title: 'Change', author: null, people: job.people === undefined ? [] : job.people },
    environment:
      job.environment === undefined
        ? null
        : { name: job.environment, slug: job.environment, tier: null, action: 'start', url: null, verified: true },
    trigger: { id: person?.id ?? null, username: by, name: by, verified: job.verified ?? 'gitlab' },
    roles: ['developer'],
    runner: job.runner ?? 'prod',
    timeoutS: 3600,
    dependencies: job.dependencies ?? [],
    blind: [],
    behaviour: job.behaviour ?? [],
    notCovered: [],
    warnings: [],
  };
}

export function requestFor(job: JobSpec) {
  const configuration = configurationFor(job.script ?? ['make'], job.extra);
  return { digest: digestOfText(canonicalJson(configuration)), configuration, facts: factsFor(job) };
}

/** An agent has been welcomed by a hub on this store, as it is before it brings a job. */
export async function arrived(world: World, name: string): Promise<void> {
  const agent = { name, version: '0', runners: [], cursor: 0 };
  await world.context.store.write((tx) => tx.putArrived([agent], world.clock.now()));
}

export interface World {
  readonly context: HubContext;
  readonly store: Store;
  readonly clock: ReturnType<typeof manualClock>;
  readonly events: ChangedEvent[];
  readonly woken: string[];
  /** What the directory and the policy say from now on. */
  people: Principals;
  policy: Policy;
  caller(username: string, scopes?: readonly TokenScope[]): Caller;
  admit(job: JobSpec): ReturnType<typeof admit>;
  approve(who: string, hold: number, more?: Partial<Decision>): ReturnType<typeof decide>;
  reject(who: string, hold: number, more?: Partial<Decision>): ReturnType<typeof decide>;
  report(
    agent: string,
    said: Pick<HoldReport, 'hold' | 'jobId' | 'event'> & Partial<Pick<HoldReport, 'detail' | 'at'>>,
  ): ReturnType<typeof report>;
  state(hold: number): Promise<string>;
  pushes(agent?: string): Promise<string[]>;
  audit(): Promise<string[]>;
}

/** The verbs of a hub over a store in memory (or the given one), with a clock that is turned by hand. */
export async function hubWorld(given: { store?: Store; clock?: ReturnType<typeof manualClock> } = {}): Promise<World> {
  const store = given.store ?? (await testStore());
  const clock = given.clock ?? manualClock();
  const events: ChangedEvent[] = [];
  const woken: string[] = [];
  let reports = 0;
  const digestOfHold = async (id: number): Promise<string> =>
    (await store.hold(id))?.digest ?? `sha256:${'0'.repeat(64)}`;
  const world: World = {
    people: PEOPLE,
    policy: DEFAULT_POLICY,
    store,
    clock,
    events,
    woken,
    context: {
      store,
      clock,
      directory: directoryOf(() => world.people),
      policy: () => resolvePolicy(world.context.directory, world.policy),
      externalUrl: () => 'https://hub.example.com',
      tag: (projectId, name, text) => variableTag(VARIABLE_KEY, projectId, name, text),
      random: (bytes) => randomBytes(bytes),
      seal: sealUnder(new Uint8Array(32).fill(9)),
      push: { wake: (agent) => void woken.push(agent), changed: (event) => void events.push(event) },
    },
    caller(username, scopes = ['read', 'approve']) {
      const person = world.people.users.find((user) => user.username === username)!;
      const token = {
        ...UNUSED,
        id: person.id,
        hash: '',
        prefix: '',
        name: null,
        owner: { id: person.id, username },
        scopes,
        makers: [],
        createdAt: START,
        expiresAt: START + 365 * DAY,
      };
      return { person, token, address: '127.0.0.1' };
    },
    admit: (job) => admit(world.context, job.agent ?? 'embedded', requestFor(job)),
    async approve(who, hold, more = {}) {
      const decision = {
        hold,
        digest: await digestOfHold(hold),
        decision: 'approve' as const,
        comment: null,
        lifetime: null,
        scope: null,
        remember: false,
        ...more,
      };
      return decide(world.context, world.caller(who), decision);
    },
    async reject(who, hold, more = {}) {
      const decision = {
        hold,
        digest: await digestOfHold(hold),
        decision: 'reject' as const,
        comment: 'no',
        lifetime: null,
        scope: null,
        remember: false,
        ...more,
      };
      return decide(world.context, world.caller(who), decision);
    },
    report(agent, { hold, jobId, event, detail = {}, at }) {
      reports += 1;
      return report(world.context, agent, {
        hold,
        jobId,
        event,
        detail,
        at: at ?? new Date(clock.now() + reports).toISOString(),
      });
    },
    async state(hold) {
      return (await store.hold(hold))?.state ?? 'absent';
    },
    async pushes(agent = 'embedded') {
      return (await store.outbox(agent, 0, 1_000)).map((push) => `${push.type} ${push.hold}/${push.jobId}`);
    },
    async audit() {
      return (await store.auditRows({ sight: null }, { after: 0, limit: 10_000 })).map((row) => row.event);
    },
  };
  return world;
}
