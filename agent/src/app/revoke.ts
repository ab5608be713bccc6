import type { Approval } from '../domain/approval.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { satisfies } from '../domain/rule.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { fallBack } from './release.ts';
import { visibleApproval } from './see.ts';
import { settle } from './settle.ts';

/** The Approval, if the caller may revoke it: whoever the rules in force know. Rejects with `not_found`, `not_eligible`. */
export async function revocable(context: HubContext, caller: Caller, id: number): Promise<Approval> {
  const approval = await visibleApproval(context, caller, id);
  const { rules } = policyFor(await context.policy(), approval);
  const members = await membersFor(context.directory, approval.subject.projectId, [{ rules }]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  if (rules.some((rule) => satisfies(rule, member))) return approval;
  throw new HoldpointError(
    'not_eligible',
    `approval ${id}: only who may approve for this project may revoke: ask one of them`,
  );
}

/**
 * Takes an Approval back: the next job with its configuration waits again, and so do Holds that were released but not
 * handed out. What runs, runs on and is marked. Whoever the rules in force know may do it, whoever triggered what:
 * it only ever asks more of a job (T29). `filter`: what it was chosen by together with others. Rejects with `not_found`,
 * `not_eligible`, `wrong_state`.
 */
export async function revoke(
  context: HubContext,
  caller: Caller,
  id: number,
  comment: string | null,
  filter: JsonObject | null = null,
): Promise<Approval> {
  return retrying(async () => {
    const policy = await context.policy();
    const approval = await revocable(context, caller, id);
    if (approval.revoked !== null) {
      throw new HoldpointError(
        'wrong_state',
        `approval ${id} was revoked by ${approval.revoked.by} already: nothing is left to revoke`,
      );
    }
    const by = caller.person.username;
    const now = context.clock.now();
    return settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const revoked = { ...approval, version: approval.version + 1, revoked: { at: now, by, reason: comment } };
      await s.tx.updateApproval(revoked);
      await s.audit(
        'approval_revoked',
        { approval: id, review: approval.review, digest: approval.digest },
        { comment, token: caller.token.id, ...(filter && { filter }) },
      );
      s.changed({ type: 'approval', id, state: 'revoked', projectId: approval.subject.projectId });
      const reason = `approval ${id} was revoked by ${by}${comment === null ? '' : `: ${comment}`}`;
      for (const hold of await s.tx.passedWith(id)) await fallBack(s, hold, reason);
      return revoked;
    });
  });
}
