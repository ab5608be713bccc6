/** One question that was put to people, with when it was answered (epoch ms). */
export interface Answered {
  readonly openedAt: number;
  readonly closedAt: number;
  readonly state: string;
}
/** A vote, and when the same person had opened what they voted on; null where nobody knows. */
export interface TimedVote {
  readonly person: { readonly id: number; readonly username: string };
  readonly decision: 'approve' | 'reject';
  readonly at: number;
  readonly seenAt: number | null;
}

/** An approve so soon after opening has read nothing: fatigue, not a decision. */
export const HASTY_MS = 5_000;

/** The value below which that share of all lies (nearest rank); null of none. */
export function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** One day of waiting. */
export interface WaitingDay {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string;
  readonly answered: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const waited = ({ openedAt, closedAt }: Answered): number => Math.max(0, closedAt - openedAt);

/** Waiting by the day of the answer, oldest first; only what people answered. */
export function waitingByDay(answered: readonly Answered[]): readonly WaitingDay[] {
  const days = new Map<string, number[]>();
  for (const one of answered) {
    if (one.state !== 'approved' && one.state !== 'rejected') continue;
    const day = new Date(one.closedAt).toISOString().slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), waited(one)]);
  }
  return [...days]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([day, times]) => ({
      day,
      answered: times.length,
      p50Ms: quantile(times, 0.5)!,
      p95Ms: quantile(times, 0.95)!,
    }));
}

/** How much one person decides, and how hastily. */
export interface PersonFigures {
  readonly person: TimedVote['person'];
  readonly approves: number;
  readonly rejects: number;
  /** Approves within five seconds of opening; `timed`: approves of which the opening is known. */
  readonly hasty: number;
  readonly timed: number;
}

/** By person, those with most votes first. */
export function votesByPerson(votes: readonly TimedVote[]): readonly PersonFigures[] {
  const people = new Map<number, PersonFigures>();
  for (const { person, decision, at, seenAt } of votes) {
    const old = people.get(person.id) ?? { person, approves: 0, rejects: 0, hasty: 0, timed: 0 };
    const isTimed = decision === 'approve' && seenAt !== null && seenAt <= at;
    people.set(person.id, {
      person,
      approves: old.approves + (decision === 'approve' ? 1 : 0),
      rejects: old.rejects + (decision === 'reject' ? 1 : 0),
      hasty: old.hasty + (isTimed && at - seenAt <= HASTY_MS ? 1 : 0),
      timed: old.timed + (isTimed ? 1 : 0),
    });
  }
  return [...people.values()].sort((a, b) => b.approves + b.rejects - (a.approves + a.rejects));
}
