import type { Approval } from '../domain/approval.ts';
import type { AuditRow } from '../domain/audit.ts';
import {
  type Answered,
  type PersonFigures,
  quantile,
  type TimedVote,
  votesByPerson,
  type WaitingDay,
  waitingByDay,
} from '../domain/figures.ts';
import { DAY_MS } from '../domain/lifetime.ts';
import type { AuditFilter } from '../ports/store.ts';
import { breathe } from './breathe.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { sightOf } from './see.ts';

/** Why people were asked. */
export const CAUSES = ['first', 'changed', 'elsewhere'] as const;
/** One of the causes. */
export type Cause = (typeof CAUSES)[number];

/** How people and jobs wait on each other. */
export interface Figures {
  /** Epoch ms. */
  readonly since: number;
  readonly waiting: { readonly open: number; readonly oldestAt: number | null };
  readonly answered: { readonly count: number; readonly p50Ms: number | null; readonly p95Ms: number | null };
  readonly days: readonly WaitingDay[];
  readonly people: readonly PersonFigures[];
  readonly groups: readonly { readonly id: number; readonly votes: number }[];
  /** Approves within five seconds of opening, of those of which the opening is known. */
  readonly hasty: { readonly count: number; readonly of: number };
  readonly causes: readonly { readonly cause: Cause; readonly count: number }[];
  /** True when more has happened than is looked at: the newest is. */
  readonly cut: boolean;
}

/** Rows of each kind that are looked at; a busy month of a large house. */
const MAX_ROWS = 10_000;
const ROWS_AT_A_TIME = 1_000;
/** Questions whose cause is looked up one by one. */
const MAX_CAUSES = 1_000;
const MAX_PEOPLE = 50;
/** Approvals of one Subject that are looked at, the newest. */
const MAX_GIVEN = 1_000;

async function newest(
  { store }: Pick<HubContext, 'store'>,
  filter: AuditFilter,
): Promise<{ readonly rows: readonly AuditRow[]; readonly cut: boolean }> {
  const rows: AuditRow[] = [];
  for (let after = 0; rows.length < MAX_ROWS; ) {
    const page = await store.auditRows(filter, { after, limit: ROWS_AT_A_TIME, newest: true });
    rows.push(...page);
    if (page.length < ROWS_AT_A_TIME) return { rows, cut: false };
    after = page.at(-1)!.seq;
  }
  return { rows, cut: true };
}

/** Who did it, of an actor such as `user:12 alice`; null for agents and the system. */
function personOf(actor: string): TimedVote['person'] | null {
  const [, id, username = ''] = /^user:([1-9]\d{0,14}) ?(.*)$/s.exec(actor) ?? [];
  return id === undefined ? null : { id: Number(id), username };
}

/** Figures of the last days, of what the caller may see. */
export async function figures(context: HubContext, caller: Caller, days: number): Promise<Figures> {
  const { store, clock, directory } = context;
  const sight = await sightOf(context, caller);
  const since = clock.now() - days * DAY_MS;
  const reviews = await newest(context, { events: ['review_opened', 'review_closed'], since, sight });
  const deeds = await newest(context, { events: ['vote_approve', 'vote_reject', 'hold_seen'], since, sight });
  const opened = reviews.rows.filter(({ event }) => event === 'review_opened');
  const answered = await answersOf(context, reviews.rows);
  const byPeople = answered.filter(({ state }) => state === 'approved' || state === 'rejected');
  const times = byPeople.map(({ openedAt, closedAt }) => Math.max(0, closedAt - openedAt));
  const votes = timedVotes(deeds.rows);
  const people = votesByPerson(votes).slice(0, MAX_PEOPLE);
  const named = await store.namedGroups();
  const groups = new Map<number, number>();
  for (const { person, approves, rejects } of people) {
    const own = named.length === 0 ? [] : await directory.groupsOf(person.id, named);
    for (const { id } of own) groups.set(id, (groups.get(id) ?? 0) + approves + rejects);
  }
  const sum = (pick: (one: PersonFigures) => number) => people.reduce((all, one) => all + pick(one), 0);
  return {
    since,
    waiting: await store.openQuestions(sight, MAX_ROWS),
    answered: { count: times.length, p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95) },
    days: waitingByDay(byPeople),
    people,
    groups: [...groups].map(([id, count]) => ({ id, votes: count })).sort((a, b) => b.votes - a.votes),
    hasty: { count: sum(({ hasty }) => hasty), of: sum(({ timed }) => timed) },
    causes: await causesOf(context, opened.slice(0, MAX_CAUSES)),
    cut: reviews.cut || deeds.cut || opened.length > MAX_CAUSES,
  };
}

async function answersOf({ store }: HubContext, rows: readonly AuditRow[]): Promise<readonly Answered[]> {
  const opened = new Map(
    rows.flatMap((row) =>
      row.event === 'review_opened' && row.review !== null ? [[row.review, row.at] as const] : [],
    ),
  );
  const out: Answered[] = [];
  for (const { event, review, at, detail } of rows) {
    if (event !== 'review_closed' || review === null) continue;
    const openedAt = opened.get(review) ?? (await store.review(review))?.openedAt;
    if (openedAt !== undefined) out.push({ openedAt, closedAt: at, state: String(detail.state) });
  }
  return out;
}

/** Votes with the moment at which the same person had opened the Hold; rows come newest first. */
function timedVotes(rows: readonly AuditRow[]): readonly TimedVote[] {
  const seen = new Map<string, number>();
  const out: TimedVote[] = [];
  for (const row of [...rows].reverse()) {
    const person = personOf(row.actor);
    if (person === null || row.hold === null) continue;
    const key = `${person.id} ${row.hold}`;
    if (row.event === 'hold_seen') {
      if (!seen.has(key)) seen.set(key, row.at);
      continue;
    }
    const decision = row.event === 'vote_approve' ? 'approve' : 'reject';
    out.push({ person, decision, at: row.at, seenAt: seen.get(key) ?? null });
  }
  return out;
}

/** Why each question was put: nothing of the job was ever approved, something else was, or this very one for another place. */
async function causesOf({ store }: HubContext, opened: readonly AuditRow[]): Promise<Figures['causes']> {
  const counts = new Map<Cause, number>(CAUSES.map((cause) => [cause, 0]));
  // Many questions are of one Subject, whose approvals are read once.
  const given = new Map<string, readonly Pick<Approval, 'createdAt' | 'digest'>[]>();
  for (const row of opened) {
    const review = row.review === null ? null : await store.review(row.review);
    if (review === null) continue;
    const { instance, projectId, job } = review.subject;
    const key = JSON.stringify([instance, projectId, job]);
    const all = given.get(key) ?? (await store.givenTo(review.subject, MAX_GIVEN));
    given.set(key, all);
    const before = all.filter((one) => one.createdAt < review.openedAt);
    const cause = before.some((one) => one.digest === review.digest)
      ? 'elsewhere'
      : before.length > 0
        ? 'changed'
        : 'first';
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
    await breathe();
  }
  return [...counts].map(([cause, count]) => ({ cause, count }));
}
