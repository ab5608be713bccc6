/** A clock that is further off makes times on the page and in the audit hard to compare. */
export const MAX_SKEW_MS = 60_000;
/** A snapshot of a connected agent is renewed every 30 seconds: this one is not. */
export const OLD_SNAPSHOT_MS = 3 * 60_000;
/** So long after a policy was read every connected agent has it. */
const POLICY_SETTLES_MS = 60_000;

/** What is known of one connected agent. Times are epoch ms. */
export interface SeenOfAgent {
  readonly since: number;
  /** Its hub is in its own process: it needs no snapshot. */
  readonly isLocal: boolean;
  /** Null for an agent of a version that does not tell. */
  readonly status: {
    readonly skewMs: number;
    readonly snapshot: { readonly policy: string; readonly heardAt: number } | null;
  } | null;
}
/** The policy that this hub goes by, and since when; null: since ever. */
export interface PolicyHere {
  readonly version: string;
  readonly loadedAt: number | null;
}

function span(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return seconds < 120
    ? `${seconds} seconds`
    : seconds < 7_200
      ? `${Math.round(seconds / 60)} minutes`
      : `${Math.round(seconds / 3_600)} hours`;
}

/** What is not as it should be with an agent that is connected, in sentences with a way out. */
export function agentWarnings(
  { since, isLocal, status }: SeenOfAgent,
  policy: PolicyHere,
  now: number,
): readonly string[] {
  if (status === null) return [];
  const { skewMs, snapshot } = status;
  const found: string[] = [];
  if (Math.abs(skewMs) > MAX_SKEW_MS)
    found.push(
      `its clock is ${span(skewMs)} ${skewMs > 0 ? 'ahead of' : 'behind'} this hub's: have both set by the same time server`,
    );
  if (isLocal) return found;
  if (snapshot === null) {
    if (now - since > OLD_SNAPSHOT_MS)
      found.push('it has no snapshot: while the hub is away nothing runs there; see the log of the hub');
    return found;
  }
  const ageMs = now - snapshot.heardAt;
  if (ageMs > OLD_SNAPSHOT_MS)
    found.push(`its snapshot is ${span(ageMs)} old, although it is connected: see the log of the hub`);
  else if (
    snapshot.policy !== policy.version &&
    (policy.loadedAt === null || now - policy.loadedAt > POLICY_SETTLES_MS)
  )
    found.push(
      'the policy that it goes by without the hub is not the one in force here: do all hubs have the same policy file?',
    );
  return found;
}
