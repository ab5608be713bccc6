import { HoldpointError } from '../domain/errors.ts';
import type { Policy } from '../domain/policy.ts';
import type { Person } from '../domain/principal.ts';
import type { Token } from '../domain/token.ts';
import type { Clock } from '../ports/clock.ts';
import type { Directory } from '../ports/directory.ts';
import type { Passkeys } from '../ports/passkeys.ts';
import type { PolicyStatus } from '../ports/policy-status.ts';
import type { Push } from '../ports/push.ts';
import type { Seal } from '../ports/seal.ts';
import type { Store } from '../ports/store.ts';

/** What the hub's verbs work with. */
export interface HubContext {
  readonly store: Store;
  readonly directory: Directory;
  /** The policy in force, with names looked up. */
  readonly policy: () => Promise<Policy>;
  /** Where it comes from; absent: what is shipped holds. */
  readonly policyStatus?: () => PolicyStatus;
  readonly clock: Clock;
  readonly push: Push;
  /** Origin of links for people, without a trailing slash. */
  readonly externalUrl: () => string;
  /** Addresses of agents, to tell a token that is used on a machine with jobs; absent where nobody can tell. */
  readonly agentHosts?: () => ReadonlySet<string>;
  /** HMAC (hex) of a hidden value of a project under a name, as the form has it; the key itself stays outside. */
  readonly tag: (projectId: number, name: string, text: string) => string;
  /** Seals what is recorded; absent where nothing can be. */
  readonly seal?: Seal;
  /** So many bytes that nobody can guess. */
  readonly random: (bytes: number) => Uint8Array;
  /** Absent where no browser can show a passkey: what asks for one is then refused. */
  readonly passkeys?: Passkeys;
}

/** A person who asks, with the token that proves it. */
export interface Caller {
  readonly person: Person;
  readonly token: Token;
  readonly address: string | null;
  /** The program that asks, as it names itself. */
  readonly client?: string | null;
  /** Id of the request, for the log. */
  readonly request?: string | null;
  /** Where the page is whose session asks; null for a token in a header. */
  readonly origin?: string | null;
}

/** Who does it, for the audit: the id never changes, the name is for reading (T17). */
export function userActor(person: Pick<Person, 'id' | 'username'>): string {
  return `user:${person.id} ${person.username}`;
}
/** Who does it, from where and with what, as every audit row of theirs says it. */
export function byCaller(caller: Pick<Caller, 'person' | 'address' | 'client' | 'request'>) {
  const { address, client = null, request = null } = caller;
  return { actor: userActor(caller.person), address, client, ...(request === null ? {} : { request }) };
}
/** An agent as the audit names it. */
export function agentActor(agent: string): string {
  return `agent:${agent}`;
}

/** Link for people to a Hold. */
export function holdUrl(context: Pick<HubContext, 'externalUrl'>, hold: number): string {
  return `${context.externalUrl()}/holds/${hold}`;
}

/** How often a decision is tried again when somebody else changed the same thing at the same moment. */
const MAX_TRIES = 5;

/** Runs a whole decision, rights included, again from its first read while the store answers `hold_conflict`. */
export async function retrying<T>(decision: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await decision();
    } catch (error) {
      if (!(error instanceof HoldpointError && error.code === 'hold_conflict') || tries >= MAX_TRIES) throw error;
    }
  }
}
