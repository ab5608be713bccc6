import { ENROLMENT_MS, ENROLMENT_PREFIX, type EnrolledAgent, enrolmentProblem } from '../domain/enrolment.ts';
import { HoldpointError } from '../domain/errors.ts';
import { keyidOf } from '../domain/hub-key.ts';
import { tokenHash } from '../domain/token.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { randomText } from './issue-token.ts';
import { settle } from './settle.ts';

/** A one-time token for an agent; its text is in this answer only. */
export interface Invitation {
  readonly text: string;
  readonly agent: string;
  readonly expiresAt: number;
}
/** What a host shows to become an agent. */
export interface EnrolmentWish {
  readonly token: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: Uint8Array;
  /** True when it has signed with the other half: nobody enrols a key that is not theirs. */
  readonly isProved: boolean;
  readonly address: string | null;
}

/** Makes a one-time token with which one host becomes the agent of this name; an older one for the name is void. */
export async function invite(context: HubContext, caller: Caller, agent: string): Promise<Invitation> {
  const now = context.clock.now();
  const text = randomText(context, ENROLMENT_PREFIX);
  const actor = byCaller(caller);
  const expiresAt = now + ENROLMENT_MS;
  await settle(context, { ...actor, now, policy: await context.policy() }, async (s) => {
    const hash = tokenHash(text);
    await s.tx.insertEnrolment({ hash, agent, madeBy: actor.actor, createdAt: now, expiresAt, usedAt: null });
    const known = await s.tx.enrolled(agent);
    const again = known !== null && known.revokedAt === null;
    await s.audit('agent_invited', {}, { agent, again, expires_at: new Date(expiresAt).toISOString() });
  });
  return { text, agent, expiresAt };
}

/**
 * Takes in the key that a host has made, for the agent that its token names. Once: of two at the same moment one enrols. A key
 * that the name had before proves nothing from here on. Rejects with `unauthenticated` in the same words for every token that
 * is none, so that nothing can be learned by trying.
 */
export async function enrol(context: HubContext, wish: EnrolmentWish): Promise<EnrolledAgent> {
  const now = context.clock.now();
  const hash = tokenHash(wish.token);
  const refused = (why: string) =>
    new HoldpointError('unauthenticated', `${why}: make another with "holdpoint agents enroll NAME"`);
  return retrying(async () => {
    const policy = await context.policy();
    const enrolment = await context.store.enrolmentOfHash(hash);
    if (enrolment === null) throw refused('this is no enrolment token that the hub knows');
    const deciding = { actor: `agent:${enrolment.agent}`, address: wish.address, now, policy };
    return settle(context, deciding, async (s) => {
      const current = await s.tx.enrolmentOfHash(hash);
      const problem = current === null ? 'a newer enrolment token was made' : enrolmentProblem(current, now);
      if (problem !== null) throw refused(problem);
      if (!wish.isProved) throw refused('the key was not proved');
      await s.tx.useEnrolment(hash, now);
      const before = await s.tx.enrolled(enrolment.agent);
      const enrolled: EnrolledAgent = {
        name: enrolment.agent,
        publicKey: wish.publicKey,
        enrolledAt: now,
        enrolledBy: enrolment.madeBy,
        revokedAt: null,
        revokedBy: null,
      };
      await s.tx.putEnrolled(enrolled);
      const keyid = keyidOf(wish.publicKey);
      const replaces = before === null ? null : keyidOf(before.publicKey);
      await s.audit('agent_enrolled', {}, { agent: enrolment.agent, keyid, replaces, invited_by: enrolment.madeBy });
      s.changed({ type: 'agent', id: 0, state: 'enrolled', projectId: null });
      return enrolled;
    });
  });
}

/** Takes an agent's right to connect; its Holds stay. Rejects with `not_found`, `wrong_state`. */
export async function revokeAgent(context: HubContext, caller: Caller, agent: string, reason: string | null) {
  const now = context.clock.now();
  const actor = byCaller(caller);
  return settle(context, { ...actor, now, policy: await context.policy() }, async (s) => {
    const known = await s.tx.enrolled(agent);
    if (known === null)
      throw new HoldpointError('not_found', `no agent ${agent} has enrolled here: see "holdpoint agents list"`);
    if (known.revokedAt !== null) throw new HoldpointError('wrong_state', `agent ${agent} was revoked already`);
    const revoked = { ...known, revokedAt: now, revokedBy: actor.actor };
    await s.tx.putEnrolled(revoked);
    await s.audit('agent_revoked', {}, { agent, reason });
    s.changed({ type: 'agent', id: 0, state: 'revoked', projectId: null });
    return revoked;
  });
}
