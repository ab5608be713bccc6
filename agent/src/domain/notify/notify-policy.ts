import { type Recurrence, spanAt, zoneOf } from '../calendar.ts';
import { entryFits, type PolicyMatch, type PolicyTarget } from '../policy-match.ts';
import { globMatches } from '../scope.ts';
import { type Audience, isAtLeast, type Notice, type Severity } from './notice.ts';

/** Which events go where. All that a route says must fit; every route that fits is followed. */
export interface NotifyRoute {
  readonly name: string;
  readonly match: PolicyMatch;
  /** Globs over names of events; absent: all. */
  readonly events?: readonly string[];
  /** What is less urgent is left out. */
  readonly severity: Severity;
  /** Names of channels. */
  readonly channels: readonly string[];
  /** Of those whom an event is for, these are told. */
  readonly to: readonly Audience[];
  /** User names or ids of people who are told as well. */
  readonly also: readonly (string | number)[];
  /** What comes for one recipient within so long is sent together; 0: at once. */
  readonly digestMs: number;
}

/** Who is told when something waits for too long. */
export interface Escalation {
  readonly name: string;
  readonly match: PolicyMatch;
  readonly afterMs: number;
  readonly channels: readonly string[];
  readonly also: readonly (string | number)[];
}

/** Times at which people are left alone; what is critical breaks through. */
export interface QuietHours {
  /** Name in the IANA's list. */
  readonly timeZone: string;
  readonly when: readonly Recurrence[];
}

/** Everything that the policy says about telling people. */
export interface NotifyPolicy {
  readonly routes: readonly NotifyRoute[];
  readonly escalations: readonly Escalation[];
  readonly quietHours: QuietHours | null;
  /** So long before a Hold expires it is said. */
  readonly expiringMs: number;
  /** Messages to one recipient of one channel within an hour; what is more is sent together later. */
  readonly perHour: number;
  /** Messages to one recipient within an hour that one person has caused; what is more is sent together (see `flood`). */
  readonly perTrigger: number;
}

/** Where no policy says anything nobody is told anything. */
export const NO_NOTIFY: NotifyPolicy = {
  routes: [],
  escalations: [],
  quietHours: null,
  expiringMs: 24 * 3_600_000,
  perHour: 30,
  perTrigger: 10,
};

/** What routes look at of a notice: one that is about no job fits only where no job is asked for. */
export function noticeFits(match: PolicyMatch, notice: Notice): boolean {
  const target = noticeTarget(notice);
  return target === null ? Object.values(match).every((part) => part === undefined) : entryFits(match, target);
}

function noticeTarget({ project, job, ref, refProtected, environment }: Notice): PolicyTarget | null {
  if (project === null) return null;
  return {
    projectId: project.id,
    projectPath: project.path,
    job: job ?? '',
    ref: ref ?? '',
    refProtected,
    environment,
  };
}

/** The routes that a notice goes along. */
export function routesFor(policy: NotifyPolicy, notice: Notice): readonly NotifyRoute[] {
  return policy.routes.filter(
    ({ match, events, severity }) =>
      isAtLeast(notice.severity, severity) &&
      (events === undefined || events.some((glob) => globMatches(glob, notice.event))) &&
      noticeFits(match, notice),
  );
}

/** Names of all channels that the policy speaks of, each with where it stands. */
export function namedChannels(
  policy: NotifyPolicy,
): readonly { readonly name: string; readonly path: readonly (string | number)[] }[] {
  const of = (list: 'routes' | 'escalations') =>
    policy[list].flatMap(({ channels }, i) =>
      channels.map((name, j) => ({ name, path: ['notify', list, i, 'channels', j] })),
    );
  return [...of('routes'), ...of('escalations')];
}

/** Spans that touch each other are one quiet time; so many are looked ahead. */
const MAX_STEPS = 32;

/** The end of the quiet time that holds at `now` (epoch ms); null: people may be told. */
export function quietUntil(quiet: QuietHours | null, now: number): number | null {
  if (quiet === null) return null;
  const zone = zoneOf(quiet.timeZone);
  let until = now;
  for (let step = 0; step < MAX_STEPS; step++) {
    const ends = quiet.when.flatMap((each) => spanAt(each, zone, until)?.end ?? []);
    if (ends.length === 0) break;
    until = Math.max(...ends);
  }
  return until === now ? null : until;
}
