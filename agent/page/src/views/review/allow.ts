import {
  INPUTS,
  type Inputs,
  parseScopeWish,
  REF_LIMITS,
  type RefLimit,
  type Scope,
  scopeText,
  scopeWords,
} from '../../../../src/domain/scope.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { minuteText } from '../../lib/times.ts';

/** What an approver chooses; the words of it are what the approve sends. */
export interface Allowance {
  readonly ref: RefLimit;
  readonly inputs: Inputs;
  /** True: only the runner that got it. */
  readonly isThisRunner: boolean;
  readonly lifetime: 'run' | 'uses' | 'until' | 'standing';
  /** How often it may be used, with `uses`. */
  readonly uses: number;
  /** `YYYY-MM-DD`, with `until`. */
  readonly until: string;
}

const DAY_MS = 86_400_000;
const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** What may be chosen, the narrowest first. */
export function refChoices(hold: HoldDetail): readonly RefLimit[] {
  return REF_LIMITS.slice(0, REF_LIMITS.indexOf(hold.scope.max_ref) + 1);
}
/** The same for where artifacts may come from. */
export function inputChoices(hold: HoldDetail): readonly Inputs[] {
  return INPUTS.slice(0, INPUTS.indexOf(hold.scope.max_inputs) + 1);
}
/** How long an approve may last here. */
export function lifetimeChoices(background: BackgroundView | null): readonly Allowance['lifetime'][] {
  const max = background?.lifetime.max ?? 'run';
  return max === 'standing' ? ['run', 'uses', 'until', 'standing'] : max === 'run' ? ['run'] : ['run', 'uses', 'until'];
}
/** The last day that may be chosen; null: any. */
export function lastDay(background: BackgroundView | null, now: number): string | null {
  const days = /^days:(\d+)$/.exec(background?.lifetime.max ?? '')?.[1];
  return days === undefined ? null : dateOf(now + Number(days) * DAY_MS);
}

/** What an approve gets that chooses nothing: what the policy says. */
export function usualAllowance(hold: HoldDetail, background: BackgroundView | null, now: number): Allowance {
  const { ref, inputs } = parseScopeWish([hold.scope.usual]);
  const usual = background?.lifetime.usual ?? 'run';
  const uses = /^uses:(\d+)/.exec(usual)?.[1];
  const until = /^until:(\d{4}-\d\d-\d\d)/.exec(usual)?.[1];
  return {
    ref: ref?.kind === 'protected' || ref?.kind === 'any' ? ref.kind : 'exact',
    inputs: inputs ?? 'admitted',
    isThisRunner: false,
    lifetime: until !== undefined ? 'until' : uses !== undefined ? 'uses' : usual === 'standing' ? 'standing' : 'run',
    until: until ?? dateOf(now + 14 * DAY_MS),
    uses: Number(uses ?? 1),
  };
}

function scopeOf({ ref, inputs, isThisRunner }: Allowance, hold: HoldDetail): Scope {
  return { ref: { kind: ref }, inputs, runners: isThisRunner ? [hold.runner] : null };
}

function lifetimeWire({ lifetime, until, uses }: Allowance): string {
  return lifetime === 'until' ? `until:${until}` : lifetime === 'uses' ? `uses:${uses}` : lifetime;
}

/** What is sent: the scope and the lifetime, both always written out. */
export function wireOf(allowance: Allowance, hold: HoldDetail): { readonly scope: string; readonly lifetime: string } {
  return {
    scope: scopeText(scopeOf(allowance, hold)),
    lifetime: lifetimeWire(allowance),
  };
}

/** True when what is chosen does not even reach the job that waits. */
export function isTooNarrow(allowance: Allowance, hold: HoldDetail): boolean {
  return INPUTS.indexOf(allowance.inputs) < INPUTS.indexOf(hold.inputs.class);
}

function lifetimeWords({ lifetime, until, uses }: Allowance): string {
  switch (lifetime) {
    case 'run':
      return 'once: this run and no other';
    case 'uses':
      return `for ${uses === 1 ? 'one run' : `${uses} runs`}, whichever come first, and no longer than the policy allows`;
    case 'until':
      return `until the end of ${minuteText(Date.parse(`${until}T23:59:59.999Z`))}`;
    case 'standing':
      return 'until somebody revokes it; it lapses after 90 days without use';
    default:
      return lifetime satisfies never;
  }
}

/** Exactly what an approve allows, in lines. */
export function allowedWords(allowance: Allowance, hold: HoldDetail): readonly string[] {
  const place = { ref: hold.ref, refProtected: hold.ref_protected, environment: hold.environment };
  return [...scopeWords(scopeOf(allowance, hold), place), lifetimeWords(allowance)];
}
