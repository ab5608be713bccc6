import { canonicalJson } from '../domain/canonical-json.ts';
import { HoldpointError } from '../domain/errors.ts';
import { wrongState } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { counts } from '../domain/passkey.ts';
import { type Requirement, requirementFor } from '../domain/requirement.ts';
import type { ScopeWish } from '../domain/scope.ts';
import {
  base64url,
  CHALLENGE_MS,
  challengeOf,
  isFresh,
  type SignedDecision,
  type StepUp,
  strictest,
  type VoteProof,
} from '../domain/step-up.ts';
import type { Signed } from '../ports/passkeys.ts';
import { policyNow } from './governing.ts';
import { type Caller, type HubContext, holdUrl } from './hub-context.ts';
import { visibleHold } from './see.ts';
import type { Settlement } from './settle.ts';

/** What the approve of a Hold says yes to. */
export function signedDecision(
  caller: Pick<Caller, 'person'>,
  about: {
    readonly hold: number;
    readonly review: number;
    readonly digest: string;
    readonly gate?: SignedDecision['gate'];
  },
  asked: { readonly lifetime: string | null; readonly scope: ScopeWish | null; readonly representedAs?: string | null },
): SignedDecision {
  return {
    gate: about.gate ?? 'configuration',
    decision: 'approve',
    person: caller.person.id,
    review: about.review,
    hold: about.hold,
    digest: about.digest,
    lifetime: asked.lifetime,
    scope: asked.scope === null ? null : canonicalJson(JSON.parse(JSON.stringify(asked.scope)) as JsonObject),
    representedAs: asked.representedAs ?? null,
  };
}

/** How somebody showed again who they are, for this one decision. */
export interface Proved {
  readonly proof: VoteProof | null;
  /** Throws `step_up_required` where the policy asks for more than was shown. */
  require(): void;
  /** Uses the proof up, in the transaction of the vote that it is for. */
  consume(s: Settlement): Promise<void>;
}

const NOTHING: Proved = { proof: null, require: () => {}, consume: async () => {} };

const WORDS: Readonly<Record<Exclude<StepUp, 'none'>, string>> = {
  fresh_sign_in: 'a sign-in that is not older than five minutes',
  passkey: 'a passkey',
};
/** Where it can be given: a token in a header shows only that somebody has the token (T24). */
const required = (context: HubContext, hold: number, needed: Exclude<StepUp, 'none'>, why: string): HoldpointError =>
  new HoldpointError(
    'step_up_required',
    `hold ${hold}: the policy asks for ${WORDS[needed]} with this vote${why}: approve it on the page, ${holdUrl(context, hold)}`,
  );

async function authTimeOf(context: HubContext, caller: Caller): Promise<number | null> {
  if (caller.origin == null) return null;
  return (await context.store.session(caller.token.id))?.authTime ?? null;
}

/**
 * What was shown for this decision: the answer of a passkey where there is one, else the time of the sign-in. Rejects with
 * `step_up_required` for an answer that does not fit. Nothing is used up yet.
 */
export async function proveStepUp(
  context: HubContext,
  caller: Caller,
  needed: StepUp,
  decision: SignedDecision,
  assertion: Signed | null,
): Promise<Proved> {
  if (assertion !== null) return provePasskey(context, caller, decision, assertion);
  switch (needed) {
    case 'none':
      return NOTHING;
    case 'fresh_sign_in': {
      const authTime = await authTimeOf(context, caller);
      if (authTime !== null && isFresh(authTime, context.clock.now()))
        return { ...NOTHING, proof: { kind: 'fresh_sign_in', authTime } };
      break;
    }
    case 'passkey':
      break;
    default:
      needed satisfies never;
  }
  return {
    ...NOTHING,
    require() {
      throw required(context, decision.hold, needed, '');
    },
  };
}

const challengeIn = (assertion: Signed): string | null => {
  const { response } = assertion as { response?: { clientDataJSON?: unknown } };
  try {
    const text = atob(String(response?.clientDataJSON).replaceAll('-', '+').replaceAll('_', '/'));
    const { challenge } = JSON.parse(text) as { challenge?: unknown };
    return typeof challenge === 'string' ? challenge : null;
  } catch {
    return null;
  }
};

async function provePasskey(
  context: HubContext,
  caller: Caller,
  decision: SignedDecision,
  assertion: Signed,
): Promise<Proved> {
  const { store, clock, passkeys } = context;
  const refuse = (why: string) => required(context, decision.hold, 'passkey', `; what was sent ${why}`);
  const { origin = null } = caller;
  if (origin === null || passkeys === undefined) throw refuse('does not come from the page');
  const challenge = challengeIn(assertion);
  const asked = challenge === null ? null : await store.challenge(challenge);
  if (challenge === null || asked === null || asked.decision === null)
    throw refuse('answers nothing that was asked here');
  const isTheirs = asked.person === caller.person.id && asked.token === caller.token.id;
  if (!isTheirs) throw refuse('answers what somebody else was asked');
  if (asked.usedAt !== null) throw refuse('was used already');
  if (asked.expiresAt <= clock.now()) throw refuse('comes too late');
  // From the decision itself, never from what was kept: what is approved is what was signed (T13).
  if (base64url(challengeOf(decision, asked.nonce)) !== challenge) throw refuse('says yes to something else');
  const key = await store.passkeyOfCredential(String(assertion.id));
  if (key === null || key.person.id !== caller.person.id) throw refuse('is signed with a key that is none of yours');
  if (!counts(key)) throw refuse('is signed with a key that nobody has confirmed, or that was removed');
  const verified = await passkeys.verifyAssertion(origin, assertion, challenge, key);
  if (verified === null) throw refuse('does not verify');
  const { response } = assertion as { response: Readonly<Record<string, string>> };
  return {
    proof: {
      kind: 'passkey',
      passkey: key.id,
      nonce: asked.nonce,
      challenge,
      clientData: response.clientDataJSON ?? '',
      authenticatorData: response.authenticatorData ?? '',
      signature: response.signature ?? '',
    },
    require: () => {},
    async consume(s) {
      const now = await s.tx.passkey(key.id);
      if (now === null || !counts(now)) throw refuse('is signed with a key that was removed');
      await s.tx.useChallenge(challenge, s.now);
      await s.tx.updatePasskey({ ...now, counter: Math.max(now.counter, verified.counter), lastUsedAt: s.now });
    },
  };
}

/** What a decision is still asked for, before it is made. */
export interface StepUpAsked {
  readonly needed: StepUp;
  /** The session as it is will do. */
  readonly met: boolean;
  /** What `navigator.credentials.get` is given; null where no passkey is needed, or the person has none that counts. */
  readonly options: object | null;
  /** Why no passkey can be given here; null where one can, or none is needed. */
  readonly problem: string | null;
}

/** Asks for what the policy wants with this decision; for a passkey with a challenge that fits it alone. */
export async function askStepUp(
  context: HubContext,
  caller: Caller,
  needed: StepUp,
  decision: SignedDecision,
): Promise<StepUpAsked> {
  const { store, clock, passkeys } = context;
  const without = (met: boolean, problem: string | null) => ({ needed, met, options: null, problem });
  if (needed === 'none') return without(true, null);
  if (needed === 'fresh_sign_in') return without(isFresh(await authTimeOf(context, caller), clock.now()), null);
  const { origin = null } = caller;
  if (origin === null || passkeys === undefined)
    return without(false, `a passkey is given on the page: ${holdUrl(context, decision.hold)}`);
  const keys = (await store.passkeysOf(caller.person.id)).filter(counts);
  if (keys.length === 0) {
    const why = 'you have no passkey that somebody else has confirmed: add one under Passkeys, beside your name';
    return without(false, why);
  }
  const nonce = base64url(context.random(32));
  const bytes = challengeOf(decision, nonce);
  const options = await passkeys.assertionOptions(origin, bytes, keys);
  const now = clock.now();
  await store.write((tx) =>
    tx.insertChallenge(
      {
        challenge: base64url(bytes),
        nonce,
        decision,
        person: caller.person.id,
        token: caller.token.id,
        expiresAt: now + CHALLENGE_MS,
        usedAt: null,
      },
      now,
    ),
  );
  return { needed, met: false, options, problem: null };
}

/** What the policy asks of an approve, by what was frozen into the Review and by what holds now. */
export function neededFor(requirements: readonly Pick<Requirement, 'stepUp'>[]): StepUp {
  return strictest(requirements.map(({ stepUp = 'none' }) => stepUp));
}

/** {@link askStepUp} for the approve of a Hold. Rejects with `not_found`, `digest_mismatch`, `wrong_state`. */
export async function askHoldStepUp(
  context: HubContext,
  caller: Caller,
  wish: { readonly hold: number; readonly digest: string } & Parameters<typeof signedDecision>[2],
): Promise<StepUpAsked> {
  const hold = await visibleHold(context, caller, wish.hold);
  if (hold.digest !== wish.digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `hold ${hold.id} has digest ${hold.digest}, you asked about ${wish.digest}: look at it again`,
    );
  }
  const review = hold.review === null ? null : await context.store.review(hold.review);
  if (review === null || review.state !== 'open' || hold.state !== 'waiting_for_approval')
    throw wrongState(hold, 'approve');
  const current = requirementFor(policyNow(await context.policy(), hold, context.clock.now()), review.requirement);
  const decision = signedDecision(caller, { hold: hold.id, review: review.id, digest: hold.digest }, wish);
  return askStepUp(context, caller, neededFor([review.requirement, current]), decision);
}
