import { type Approval, isValid } from '../domain/approval.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { type Change, diffConfigurations } from '../domain/configuration-diff.ts';
import { digestOfText } from '../domain/digest.ts';
import { HoldpointError } from '../domain/errors.ts';
import { hideTagsOfChange } from '../domain/hidden-values.ts';
import type { JsonObject } from '../domain/json.ts';
import { renamedConfiguration, renamedPath } from '../domain/renamed.ts';
import { satisfies } from '../domain/rule.ts';
import { openAsk, openerOf } from './asks.ts';
import { decideAsk } from './decide-ask.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { sightOf } from './see.ts';
import { settle } from './settle.ts';

/** What a renamed project or group was called and is called. */
export interface Rename {
  readonly from: string;
  readonly to: string;
}
/** One Approval and what it becomes. */
export interface RenamedApproval {
  readonly approval: Approval;
  readonly projectPath: string;
  readonly digest: string;
  readonly changes: readonly Change[];
  /** The open question about it, and the Approval that goes on from it. */
  readonly review: number | null;
  readonly renewedBy: number | null;
  readonly error: HoldpointError | null;
}
/** All of them, and the digest of the list: what a vote on it names (T36). */
export interface RenameList extends Rename {
  readonly list: string;
  readonly items: readonly RenamedApproval[];
  readonly more: boolean;
}

/** One list that somebody can still look at. */
const MAX_ITEMS = 200;
const READ_AT_ONCE = 500;

/**
 * The Approvals of a renamed project or group with the configuration that each would be for: every text in which the old
 * path stood has the new one, and nothing else is changed. Only for projects that are called so now: the directory says so,
 * not whoever asks (T20).
 */
export async function renameList(context: HubContext, caller: Caller, { from, to }: Rename): Promise<RenameList> {
  if (from.toLowerCase() === to.toLowerCase())
    throw new HoldpointError('bad_input', 'the old and the new path are the same');
  const { store } = context;
  const sight = await sightOf(context, caller);
  const now = context.clock.now();
  const items: RenamedApproval[] = [];
  for (let after = 0; items.length <= MAX_ITEMS; ) {
    const page = await store.approvals({ revoked: false, sight }, { after, limit: READ_AT_ONCE });
    if (page.length === 0) break;
    after = page.at(-1)!.id;
    for (const approval of page) {
      const path = renamedPath(approval.projectPath, from, to);
      if (path === null || approval.hold !== null || !isValid(approval, now)) continue;
      if ((await context.directory.project(approval.subject.projectId))?.path.toLowerCase() !== path.toLowerCase())
        continue;
      const item = await itemOf(context, caller, approval, path);
      if (item !== null) items.push(item);
    }
  }
  const shown = items.slice(0, MAX_ITEMS);
  const list = digestOfText(
    canonicalJson({
      form: 'holdpoint.rename/v1',
      from,
      to,
      items: shown.map(({ approval, digest }) => ({ approval: approval.id, digest })),
    }),
  );
  return { from, to, list, items: shown, more: items.length > MAX_ITEMS };
}

/** Null where the path does not stand in the configuration: that Approval goes on as it is. */
async function itemOf(
  context: HubContext,
  caller: Caller,
  approval: Approval,
  projectPath: string,
): Promise<RenamedApproval | null> {
  const { store } = context;
  const before = await readConfiguration(store, approval.digest);
  const after = before && renamedConfiguration(before, approval.projectPath!, projectPath);
  if (before === null || after === null) return null;
  const digest = digestOfText(canonicalJson(after));
  if (digest === approval.digest) return null;
  const changes = diffConfigurations(before, after);
  const asks = await store.asksAbout([approval.id]);
  const later = await store.renewalsOf(approval.id);
  const sees = await rulesKnow(context, caller, approval);
  return {
    approval,
    projectPath,
    digest,
    changes: sees ? changes : changes.map(hideTagsOfChange),
    review: asks.find(({ ask, digest: asked }) => ask?.kind === 'rename' && asked === digest)?.id ?? null,
    renewedBy: later[0] ?? null,
    error: null,
  };
}

async function rulesKnow(context: HubContext, caller: Caller, approval: Approval): Promise<boolean> {
  const { rules } = policyFor(await context.policy(), approval);
  const members = await membersFor(context.directory, approval.subject.projectId, [{ rules }]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  return rules.some((rule) => satisfies(rule, member));
}

/**
 * One vote for everything on the list that was shown: each item by the rules of its own place, so that one may be complete
 * and another wait for more people. Rejects with `digest_mismatch` where the list is another one by now.
 */
export async function voteOnRename(
  context: HubContext,
  caller: Caller,
  rename: Rename,
  vote: { readonly list: string; readonly comment: string | null },
): Promise<RenameList> {
  const shown = await renameList(context, caller, rename);
  if (shown.list !== vote.list) {
    throw new HoldpointError(
      'digest_mismatch',
      `the list of what was ${rename.from} is ${shown.list} by now, you decided on ${vote.list}: look at it again`,
    );
  }
  const errors = new Map<number, HoldpointError>();
  for (const item of shown.items) {
    if (item.renewedBy !== null) continue;
    try {
      await voteOnOne(context, caller, item, rename, vote.comment);
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      errors.set(item.approval.id, error);
    }
  }
  const after = await renameList(context, caller, rename);
  const now = new Map(after.items.map((item) => [item.approval.id, item]));
  return {
    ...shown,
    items: shown.items.map((item) => ({
      ...item,
      review: now.get(item.approval.id)?.review ?? null,
      renewedBy: now.get(item.approval.id)?.renewedBy ?? null,
      error: errors.get(item.approval.id) ?? null,
    })),
  };
}

async function voteOnOne(
  context: HubContext,
  caller: Caller,
  { approval, projectPath, digest }: RenamedApproval,
  { from, to }: Rename,
  comment: string | null,
): Promise<void> {
  if (!(await rulesKnow(context, caller, approval))) {
    throw new HoldpointError(
      'not_eligible',
      `approval ${approval.id}: only who may approve for this project may carry it over: ask one of them`,
    );
  }
  const before = await readConfiguration(context.store, approval.digest);
  const after: JsonObject | null = before && renamedConfiguration(before, approval.projectPath!, projectPath);
  if (after === null)
    throw new HoldpointError('internal', `approval ${approval.id}: the store lacks its configuration`);
  const [now, policy] = [context.clock.now(), await context.policy()];
  const review = await retrying(() =>
    settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      await s.tx.putConfiguration(digest, canonicalJson(after));
      return openAsk(s, caller, {
        kind: 'rename',
        approval: approval.id,
        note: `${from} → ${to}`,
        subject: approval.subject,
        projectPath,
        digest,
        place: approval.place,
        opener: await openerOf(s, approval),
      });
    }),
  );
  await decideAsk(context, caller, {
    review: review.id,
    digest,
    decision: 'approve',
    comment,
    lifetime: null,
    scope: null,
  });
}
