import type { Gatekeeper, HubPush } from '../../agent/src/ports/gatekeeper.ts';
import { nextRequest, SHORT } from './admits.ts';
import { JOB } from './payload.ts';
import { FIRST, FIRST_PROJECT, type RowsSize } from './rows-fill.ts';
import { ask, type BenchHub, type World } from './rows-hub.ts';

/** One thing that people or agents ask of a hub; each call answers the milliseconds of one of them. */
export interface Ask {
  readonly name: string;
  readonly once: (n: number) => Promise<number>;
  /** It changes the store, and is asked so often. */
  readonly writes?: number;
}

export const ADMIT_APPROVED = 'admit of an approved job';
/** Each of those is approved then, half of them in each way; people vote 60 times a minute. */
const WRITES = Number(process.env.HOLDPOINT_BENCH_WRITES ?? 300);

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** What is read, over the hub's HTTP API. `size` null: of a store with next to nothing in it. */
export function reads({ url }: BenchHub, { approvers, few, admin }: World, size: RowsSize | null): readonly Ask[] {
  const projects = size?.projects ?? 1;
  const middle = size === null ? 0 : FIRST + size.approvals + Math.floor(size.waiting / 2);
  const of = (n: number) => (size === null ? JOB.project : FIRST_PROJECT + ((n * 37) % projects));
  const path = (n: number) => (size === null ? 'bank/web' : `bank/project-${(n * 37) % projects}`);
  const some = (n: number, most: number) => (size === null ? 1 : FIRST + 1 + ((n * 7_919) % most));
  const everybody = (name: string, at: (n: number) => string, token = approvers[0]!): Ask => ({
    name,
    once: (n) => timed(() => ask(url, token, at(n))),
  });
  const day = (n: number) => new Date(Date.now() - (n % 250) * 86_400_000).toISOString().slice(0, 10);
  return [
    everybody('inbox, first page', () => '/api/v1/inbox'),
    everybody('inbox, a page in the middle', (n) => `/api/v1/inbox?cursor=${middle + n}`),
    everybody('inbox of one project', (n) => `/api/v1/inbox?project=${path(n)}`),
    everybody('inbox, search', (n) => `/api/v1/inbox?text=project-${(n * 37) % projects}`),
    everybody('inbox, search that finds nothing', () => '/api/v1/inbox?text=nowhere-at-all'),
    everybody('inbox, lane of what one opened', () => '/api/v1/inbox?lane=opened'),
    everybody('inbox of who decides in 20 projects', () => '/api/v1/inbox', few),
    everybody('one Hold', (n) => `/api/v1/holds/${some(n, size?.waiting ?? 1)}`),
    everybody('… and what it is compared with', (n) => `/api/v1/holds/${some(n, size?.waiting ?? 1)}/background`),
    everybody('waiting Holds, first page', () => '/api/v1/holds?state=waiting_for_approval'),
    everybody('waiting Holds of one project', (n) => `/api/v1/holds?state=waiting_for_approval&project=${of(n)}`),
    everybody('running Holds (none)', () => '/api/v1/holds?state=running'),
    everybody('waiting Holds of who decides in 20 projects', () => '/api/v1/holds?state=waiting_for_approval', few),
    everybody('approvals, newest', () => '/api/v1/approvals?sort=desc'),
    everybody('approvals in force', () => '/api/v1/approvals?valid=true'),
    everybody('approvals of one project', (n) => `/api/v1/approvals?project=${path(n)}`),
    everybody('approvals, search that finds nothing', () => '/api/v1/approvals?text=nowhere-at-all'),
    everybody('approvals of who decides in 20 projects', () => '/api/v1/approvals?sort=desc', few),
    everybody('approvals that end soon', () => '/api/v1/approvals/renewals'),
    everybody('open Reviews, first page', () => '/api/v1/reviews?state=open'),
    everybody('equal changes that wait', () => '/api/v1/reviews/changes'),
    everybody('audit, newest', () => '/api/v1/audit?sort=desc', admin),
    everybody('audit of one person', () => '/api/v1/audit?sort=desc&person=approver-1', admin),
    everybody('audit of one project', (n) => `/api/v1/audit?project=${of(n)}`, admin),
    everybody('audit of a day', (n) => `/api/v1/audit?since=${day(n)}&until=${day(n)}`, admin),
    everybody('audit, votes of a day', (n) => `/api/v1/audit?event=voted&since=${day(n)}&until=${day(n)}`, admin),
    everybody('audit of what an approver sees', () => '/api/v1/audit?sort=desc'),
    everybody('audit of who decides in 20 projects', () => '/api/v1/audit?sort=desc', few),
    everybody('figures of 30 days', () => '/api/v1/figures'),
    everybody('/metrics', () => '/metrics'),
    everybody('/readyz', () => '/readyz'),
  ];
}

/** What changes the store: jobs over the agent's link, votes over HTTP, and the push that a vote leads to. */
export function writes({ url }: BenchHub, { approvers }: World, link: Gatekeeper): readonly Ask[] {
  const waiting: { readonly hold: number; readonly digest: string }[] = [];
  const pushed = new Map<number, () => void>();
  let voted = 0;
  link.onPush(async (push: HubPush) => pushed.get(push.hold)?.());
  const admitted = async (variant: number, wanted: 'pass' | 'hold'): Promise<number> => {
    const request = nextRequest(variant);
    const start = performance.now();
    const answer = await link.admit(request);
    const ms = performance.now() - start;
    if (answer.outcome !== wanted || answer.hold === null) throw new Error(`a job was answered ${answer.outcome}`);
    if (wanted === 'hold') waiting.push({ hold: answer.hold, digest: request.digest });
    return ms;
  };
  const approve = async (): Promise<number> => {
    const one = waiting.shift();
    if (one === undefined) throw new Error('no Hold is left to be approved');
    const token = approvers[voted++ % approvers.length]!;
    const start = performance.now();
    await ask(url, token, `/api/v1/holds/${one.hold}/approve`, { digest: one.digest });
    return performance.now() - start;
  };
  const released = async (): Promise<number> => {
    const { hold } = waiting[0]!;
    const start = performance.now();
    const push = new Promise<number>((resolve) => pushed.set(hold, () => resolve(performance.now() - start)));
    await approve();
    return push;
  };
  return [
    { name: ADMIT_APPROVED, once: () => admitted(0, 'pass'), writes: WRITES },
    { name: 'admit of an unknown job (parked)', once: () => admitted(nextVariant(), 'hold'), writes: WRITES },
    { name: 'vote', once: approve, writes: WRITES / 2 },
    { name: 'vote → push of the release at the agent', once: released, writes: WRITES / 2 },
  ];
}

let variants = 0;
const nextVariant = (): number => {
  variants += 1;
  return variants;
};

/** The first job of all, approved for standing: what every admit of an approved job rests on. Another one stays open, and a short one. */
export async function seed({ url }: BenchHub, { approvers }: World, link: Gatekeeper): Promise<void> {
  const { hold } = await link.admit(nextRequest());
  const request = nextRequest(nextVariant());
  const open = await link.admit(request);
  await link.admit(nextRequest(nextVariant(), SHORT));
  if (hold === null || open.hold === null) throw new Error('the first jobs were not parked');
  const { digest } = JSON.parse(await ask(url, approvers[0]!, `/api/v1/holds/${hold}`)) as { digest: string };
  await ask(url, approvers[0]!, `/api/v1/holds/${hold}/approve`, { digest, lifetime: 'standing' });
}
