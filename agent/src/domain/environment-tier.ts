/** GitLab's tiers of environments, the strictest first. */
export const TIERS = ['production', 'staging', 'testing', 'development', 'other'] as const;
/** One of the tiers. */
export type Tier = (typeof TIERS)[number];

/** True for one of GitLab's words for a tier. */
export function isTier(text: string): text is Tier {
  return (TIERS as readonly string[]).includes(text);
}

/** Words in a name by which GitLab tells the tier, in the order in which it looks; letter case does not count. */
const WORDS: readonly (readonly [Tier, readonly RegExp[]])[] = [
  ['development', [/dev/i, /review/i, /trunk/i]],
  ['testing', [/test/i, /tst/i, /int/i, /ac(ce|)pt/i, /qa/i, /qc/i, /control/i, /quality/i]],
  ['staging', [/st(a|)g/i, /mod(e|)l/i, /pre/i, /demo/i, /non/i]],
  ['production', [/pr(o|)d/i, /live/i]],
];

/** The tier that GitLab gives an environment of this name whose job declares none. */
export function inferredTier(name: string): Tier {
  return WORDS.find(([, words]) => words.some((word) => word.test(name)))?.[0] ?? 'other';
}

/**
 * The tiers that an environment may be of, the strictest first: the one that is declared and the one that its name says.
 * A job declares its own tier in its YAML, so a declared one alone must never be what frees it (T20). Where GitLab could not
 * be asked (`verified` false) nobody knows what it was declared as: it may be of any.
 */
export function tiersOf(environment: {
  readonly name: string;
  readonly tier: string | null;
  readonly verified?: boolean;
}): readonly Tier[] {
  const { name, tier, verified = true } = environment;
  if (!verified) return TIERS;
  const found = new Set<Tier>([inferredTier(name), ...(tier !== null && isTier(tier) ? [tier] : [])]);
  return TIERS.filter((one) => found.has(one));
}
