import { type Recurrence, spanAt, zoneOf } from './calendar.ts';
import { entryFits, type PolicyMatch, type PolicyTarget } from './policy-match.ts';
import type { ApprovalRule } from './rule.ts';

/** What a window does: nothing is released, or more people have to agree. */
export const FREEZE_MODES = ['hard', 'extra_approval'] as const;
/** One of the modes. */
export type FreezeMode = (typeof FREEZE_MODES)[number];

/** Times at which jobs are kept back, or need more approvals. */
export interface FreezeWindow {
  readonly name: string;
  readonly match: PolicyMatch;
  /** Name in the IANA's list. */
  readonly timeZone: string;
  readonly when: readonly Recurrence[];
  readonly mode: FreezeMode;
  /** Rules that have to be met as well; none for `hard`. */
  readonly rules: readonly ApprovalRule[];
  /** Jobs that it does not touch. */
  readonly except: readonly { readonly name: string; readonly match: PolicyMatch }[];
}

/** What is in force for one job at one moment. */
export interface Freeze {
  /** Nothing is released before `until` (epoch ms); null where nothing is. */
  readonly hard: { readonly until: number; readonly names: readonly string[] } | null;
  /** Rules that are needed as well, since `since` and until `until`; null where none are. */
  readonly extra: {
    readonly since: number;
    readonly until: number;
    readonly names: readonly string[];
    readonly rules: readonly ApprovalRule[];
  } | null;
  /** Windows that would hold, each with the exception that lets this job through: `weekends (hotfixes)`. */
  readonly excepted: readonly string[];
}

/** Windows that touch each other are one freeze; so many spans are looked ahead, since each asks what clocks will show. */
const MAX_STEPS = 32;

/** The clocks of each window's place, made once: a window that never ends is asked for every day of a year. */
type Zones = (timeZone: string) => (at: number) => number;
function zones(): Zones {
  const known = new Map<string, (at: number) => number>();
  return (timeZone) => {
    const zone = known.get(timeZone) ?? zoneOf(timeZone);
    known.set(timeZone, zone);
    return zone;
  };
}

function spanOf({ when, timeZone }: FreezeWindow, zonesOf: Zones, now: number) {
  const spans = when.flatMap((each) => spanAt(each, zonesOf(timeZone), now) ?? []);
  if (spans.length === 0) return null;
  return { start: Math.min(...spans.map(({ start }) => start)), end: Math.max(...spans.map(({ end }) => end)) };
}

/** The first moment at which none of the windows holds; of many that touch each other one until which they surely do. */
function endOf(windows: readonly FreezeWindow[], zonesOf: Zones, now: number): number {
  let until = now;
  for (let step = 0; step < MAX_STEPS; step++) {
    const ends = windows.flatMap((window) => spanOf(window, zonesOf, until)?.end ?? []);
    if (ends.length === 0) return until;
    until = Math.max(...ends);
  }
  return until;
}

/** What the windows say of a job at this moment. */
export function freezeAt(windows: readonly FreezeWindow[], target: PolicyTarget, now: number): Freeze {
  const zonesOf = zones();
  const touching = windows.filter((window) => entryFits(window.match, target));
  const exceptionOf = (window: FreezeWindow) => window.except.find(({ match }) => entryFits(match, target));
  const applying = touching.filter((window) => exceptionOf(window) === undefined);
  const holding = applying.flatMap((window) => {
    const span = spanOf(window, zonesOf, now);
    return span === null ? [] : [{ window, span }];
  });
  const hard = holding.filter(({ window }) => window.mode === 'hard');
  const extra = holding.filter(({ window }) => window.mode === 'extra_approval');
  const names = (of: typeof holding) => of.map(({ window }) => window.name);
  const endsOf = (mode: FreezeMode) =>
    endOf(
      applying.filter((window) => window.mode === mode),
      zonesOf,
      now,
    );
  return {
    hard: hard.length === 0 ? null : { until: endsOf('hard'), names: names(hard) },
    extra:
      extra.length === 0
        ? null
        : {
            since: Math.max(...extra.map(({ span }) => span.start)),
            until: endsOf('extra_approval'),
            names: names(extra),
            rules: extra.flatMap(({ window }) => window.rules),
          },
    excepted: touching.flatMap((window) => {
      const exception = exceptionOf(window);
      return exception !== undefined && spanOf(window, zonesOf, now) !== null
        ? [`${window.name} (${exception.name})`]
        : [];
    }),
  };
}

/** When a job that is frozen at `now` may go (epoch ms); null where nothing keeps it back. */
export function frozenUntil(windows: readonly FreezeWindow[], target: PolicyTarget, now: number): number | null {
  return freezeAt(windows, target, now).hard?.until ?? null;
}

/** Why a job waits although it is approved, in words. */
export function frozenWords({ until, names }: NonNullable<Freeze['hard']>): string {
  return `frozen by ${names.join(' and ')} until ${new Date(until).toISOString().slice(0, 16)}Z: it goes by itself then`;
}
