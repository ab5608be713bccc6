/** What can be told of one use of a token: where it came from, and whether a job seems to use it (T24). */

/**
 * `agent_host`: from the address of an agent, so from a machine that runs jobs; `in_job`: our own command line says that it
 * runs inside a job; `ci_client`: the client or its headers are those of a CI system.
 */
export const TOKEN_FLAGS = ['agent_host', 'in_job', 'ci_client'] as const;
/** One of the signs. */
export type TokenFlagKind = (typeof TOKEN_FLAGS)[number];

/** One sign, from one place; the newest use that showed it. */
export interface TokenFlag {
  readonly kind: TokenFlagKind;
  /** Epoch ms. */
  readonly at: number;
  readonly address: string | null;
  readonly client: string | null;
}

/** One request as far as it says who sends it. */
export interface TokenUse {
  /** Network address, null where there is none. */
  readonly address: string | null;
  /** What the client calls itself. */
  readonly client: string | null;
  /** Our own command line saw the variables of a job around it. */
  readonly saysJob: boolean;
  /** A header came with it that only jobs send. */
  readonly jobHeader: boolean;
}

/** A use of which only the address is known. */
export function useFrom(address: string | null): TokenUse {
  return { address, client: null, saysJob: false, jobHeader: false };
}

/** What a flagged use may do: everything, while it is seen; look only; or nothing. */
export const IN_JOBS = ['flag', 'read_only', 'refuse'] as const;
/** One of the three. */
export type InJobs = (typeof IN_JOBS)[number];

/** What holds for tokens. */
export interface TokenPolicy {
  /** Nobody has used it for so long: it has ended. */
  readonly idleMs: number;
  readonly inJobs: InJobs;
}
/** A week away ends nothing; what is forgotten for longer does no harm (T24). */
export const DEFAULT_TOKEN_POLICY: TokenPolicy = { idleMs: 7 * 86_400_000, inJobs: 'flag' };

/** Words by which clients of CI systems name themselves. */
const CI_CLIENT =
  /\b(gitlab[-_ ]?(runner|ci)|github[-_ ]?actions|actions\/|jenkins|buildkite|circleci|drone|woodpecker|teamcity|azure[-_ ]?(pipelines|devops)|bitbucket[-_ ]?pipelines)/i;

/** The address without the prefix that a socket for both families puts before IPv4. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** True for an address that never leaves the machine: beside an embedded hub everybody who sits there has it. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || plain.startsWith('127.');
}

/**
 * What counts as one place for limits: an IPv4 address, and of IPv6 the /64, since whoever has one address of it has all
 * of them and would otherwise never meet a limit.
 */
export function addressGroup(address: string): string {
  const plain = plainAddress(address).replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  // An IPv4 ending counts as two groups.
  const width = front.length + back.length + (plain.includes('.') ? 1 : 0);
  const filled = tail === undefined ? front : [...front, ...Array<string>(Math.max(0, 8 - width)).fill('0'), ...back];
  const network = filled.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64`;
}

/** The signs that this use shows. `agentHosts`: addresses of agents; loopback is none of them by itself. */
export function signsOf(use: TokenUse, agentHosts: ReadonlySet<string>): readonly TokenFlagKind[] {
  const { address, client } = use;
  const fromAgent = address !== null && !isLoopback(address) && agentHosts.has(plainAddress(address));
  return [
    ...(fromAgent ? (['agent_host'] as const) : []),
    ...(use.saysJob ? (['in_job'] as const) : []),
    ...(use.jobHeader || (client !== null && CI_CLIENT.test(client)) ? (['ci_client'] as const) : []),
  ];
}

/** One place is noted once an hour; a job that runs every minute says nothing new. */
const SAME_AGAIN_MS = 3_600_000;
/** Places that are kept of one token; somebody with more addresses than that is not told apart. */
export const MAX_FLAGS = 20;

/** The token's flags with these signs, and which of them are new; those of the last hour from the same place are not. */
export function flagged(
  flags: readonly TokenFlag[],
  signs: readonly TokenFlagKind[],
  use: TokenUse,
  now: number,
): { readonly flags: readonly TokenFlag[]; readonly fresh: readonly TokenFlagKind[] } {
  const place = use.address === null ? null : addressGroup(use.address);
  const samePlace = (flag: TokenFlag): boolean => (flag.address === null ? null : addressGroup(flag.address)) === place;
  const recent = flags.filter((flag) => now - flag.at < SAME_AGAIN_MS);
  const fresh = signs.filter((kind) => !recent.some((flag) => flag.kind === kind && samePlace(flag)));
  if (fresh.length === 0 || recent.length >= MAX_FLAGS) return { flags, fresh: [] };
  const others = flags.filter((flag) => !(fresh.includes(flag.kind) && samePlace(flag)));
  const added = fresh.map((kind) => ({ kind, at: now, address: use.address, client: use.client }));
  return { flags: [...others, ...added].slice(-MAX_FLAGS), fresh };
}
