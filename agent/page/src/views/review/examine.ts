import type { OverSaid } from '../../../../src/domain/approval-over.ts';
import { diffValues } from '../../../../src/domain/configuration-diff.ts';
import { configurationRows, type SectionRows } from '../../../../src/domain/configuration-rows.ts';
import { digestOf } from '../../../../src/domain/digest.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import { type RiskFlag, riskFlags, type Weight } from '../../../../src/domain/risk-flags.ts';
import { shownAs } from '../../../../src/domain/shown-configuration.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { verdictOf } from './verdict.ts';

/** A configuration to compare with, as the hub shows it. */
export interface Baseline {
  readonly digest: string;
  readonly configuration: unknown;
  /** `the configuration approved on 12 May by maria`. */
  readonly about: string;
  /** Where it was approved; null for one that only ran. */
  readonly approvedFor: { readonly ref: string; readonly environment: string | null } | null;
  /** Why that approval lets nothing run any more; null while it does, and for what only ran. */
  readonly over: OverSaid | null;
}

/**
 * A Hold as it was looked at in this browser. `checked`: the digest was computed here from the very configuration that
 * is shown, and that one is what an approve sends (T13, T36). `hidden`: some values are hidden from this person, so there is
 * nothing to compute. `wrong`: what the hub shows is not what it names; nothing of it may be approved.
 */
export type Examined =
  | {
      readonly kind: 'checked';
      readonly digest: string;
      readonly configuration: JsonObject;
      readonly sections: readonly SectionRows[];
      readonly flags: readonly RiskFlag[];
      readonly verdict: string;
    }
  | { readonly kind: 'hidden'; readonly configuration: JsonObject; readonly verdict: string }
  | { readonly kind: 'wrong'; readonly words: string };

const HEAVIEST: readonly Weight[] = ['stop', 'look', 'know'];

/** Sections with something heavy first, then the others that changed, then what did not; else in their usual order. */
function byRisk(sections: readonly SectionRows[], flags: readonly RiskFlag[]): readonly SectionRows[] {
  const rank = ({ section, changed }: SectionRows): number => {
    if (changed === 0) return HEAVIEST.length + 1;
    const weights = flags.filter((flag) => flag.section === section).map(({ weight }) => HEAVIEST.indexOf(weight));
    return Math.min(HEAVIEST.length, ...weights);
  };
  return [...sections].sort((a, b) => rank(a) - rank(b));
}

/** Looks at a Hold beside a configuration; `baseline` null: nothing was ever approved, or nothing is to be compared with. */
export function examine(hold: HoldDetail, baseline: Baseline | null, isFirstTimeAuthor: boolean | null): Examined {
  const own = shownAs(hold.configuration, hold.digest);
  if (own.kind === 'wrong')
    return { kind: 'wrong', words: 'The configuration that the hub shows does not have the digest it names.' };
  const base = baseline === null ? null : shownAs(baseline.configuration, baseline.digest);
  if (base?.kind === 'wrong')
    return { kind: 'wrong', words: `What the hub shows as ${baseline?.about} does not have the digest it names.` };
  if (own.kind === 'hidden' || base?.kind === 'hidden')
    return { kind: 'hidden', configuration: own.configuration, verdict: hold.diff.summary };
  const before = base?.configuration ?? null;
  const after = own.configuration;
  const flags = riskFlags({
    before,
    after,
    facts: hold.facts,
    approvedFor: baseline?.approvedFor ?? null,
    isRevoked: baseline?.over?.kind === 'revoked',
    inputs: hold.inputs.class,
    isFirstTimeAuthor,
  });
  return {
    kind: 'checked',
    digest: digestOf(after),
    configuration: after,
    sections: byRisk(configurationRows(before, after), flags),
    flags,
    verdict: verdictOf(before, after, diffValues(before, after), baseline, {
      digest: hold.digest,
      isWaiting: hold.state === 'waiting_for_approval',
      wasApproved: hold.diff.approval !== null,
      isDecided: hold.state !== 'waiting_for_approval',
    }),
  };
}

/** Facts of no run: nothing is known, and nothing is raised from them. */
const NO_RUN: Pick<HoldDetail['facts'], 'ref' | 'environment' | 'trigger' | 'commit'> = {
  ref: { full: '', name: '', type: 'branch', protected: true },
  environment: null,
  trigger: { id: null, username: null, name: null, verified: 'gitlab' },
  commit: { sha: '', title: null, author: null, people: null },
};

/** The same of a configuration that no job waits with, whose digest was computed already; only what stands in it raises flags. */
export function compared(configuration: JsonObject, baseline: Baseline | null): Extract<Examined, { kind: 'checked' }> {
  const base = baseline === null ? null : shownAs(baseline.configuration, baseline.digest);
  const before = base?.kind === 'checked' ? base.configuration : null;
  const flags = riskFlags({
    before,
    after: configuration,
    facts: NO_RUN,
    approvedFor: null,
    isRevoked: false,
    inputs: 'same_pipeline',
    isFirstTimeAuthor: null,
  });
  const digest = digestOf(configuration);
  const verdict = verdictOf(
    before,
    configuration,
    diffValues(before, configuration),
    before === null ? null : baseline,
    {
      digest,
      isWaiting: false,
      wasApproved: false,
    },
  );
  return {
    kind: 'checked',
    digest,
    configuration,
    sections: byRisk(configurationRows(before, configuration), flags),
    flags,
    verdict,
  };
}
