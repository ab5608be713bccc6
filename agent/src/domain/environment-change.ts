import { HoldpointError } from './errors.ts';
import {
  type AccessElement,
  type ElementChange,
  type EnvironmentKey,
  type EnvironmentWish,
  type ProtectedEnvironment,
  type RuleElement,
  STRICT_OPTIONS,
} from './protected-environment.ts';
import type { Who } from './rule.ts';

/** More people, groups and levels in one list are a mistake. */
const MAX_ELEMENTS = 50;

/** A list after its changes: elements keep their ids, new ones have 0 until they are stored. Throws `bad_input`. */
function changedList<T extends AccessElement>(
  what: string,
  now: readonly T[],
  changes: readonly ElementChange<T>[],
  added: (change: Partial<Omit<T, 'id'>>) => T,
): readonly T[] {
  const list = new Map(now.map((element) => [element.id, element]));
  const fresh: T[] = [];
  for (const change of changes) {
    if (change.id === undefined || change.id === 0) {
      fresh.push(added(change as Partial<Omit<T, 'id'>>));
      continue;
    }
    const old = list.get(change.id);
    if (old === undefined) throw new HoldpointError('bad_input', `${what}: there is no element ${change.id}`);
    if (change.destroy === true) list.delete(change.id);
    else {
      const { id: _id, destroy: _destroy, ...said } = change as Partial<T> & { destroy?: false };
      list.set(change.id, { ...old, ...said });
    }
  }
  const all = [...list.values(), ...fresh];
  if (all.length > MAX_ELEMENTS) throw new HoldpointError('bad_input', `${what}: at most ${MAX_ELEMENTS} elements`);
  return all;
}

function whoOf(what: string, who: Who | undefined): Who {
  // A name is looked up before; here only what can be told apart for ever counts (T17).
  if (who !== undefined && (who.kind === 'access_level' ? who.level > 0 : who.id !== null)) return who;
  throw new HoldpointError('bad_input', `${what}: each element asks for one user, one group or one access level`);
}

/**
 * A protection as a wish leaves it; `now` is null for a new one. Nobody may be left to deploy to a new one: an empty list is
 * met by nobody (T16), and whoever makes it on purpose says so by taking everything away later. Throws `bad_input`.
 */
export function changedEnvironment(
  now: ProtectedEnvironment | null,
  key: EnvironmentKey & { readonly ownerPath: string | null },
  wish: EnvironmentWish,
  at: number,
  maxPerRule: number,
): ProtectedEnvironment {
  const deployAccess = changedList<AccessElement>(
    'deploy_access_levels',
    now?.deployAccess ?? [],
    wish.deployAccess ?? [],
    ({ who }) => ({ id: 0, who: whoOf('deploy_access_levels', who) }),
  );
  const approvalRules = changedList<RuleElement>(
    'approval_rules',
    now?.approvalRules ?? [],
    wish.approvalRules ?? [],
    ({ who, count }) => ({ id: 0, who: whoOf('approval_rules', who), count: count ?? 1 }),
  );
  for (const { who, count } of approvalRules) {
    whoOf('approval_rules', who);
    if (Number.isInteger(count) && count >= 1 && count <= maxPerRule) continue;
    throw new HoldpointError('bad_input', `approval_rules: ${count} approvals: 1 to ${maxPerRule} are possible`);
  }
  if (now === null && deployAccess.length === 0)
    throw new HoldpointError('bad_input', 'deploy_access_levels is empty: nobody could deploy');
  return {
    id: now?.id ?? 0,
    version: (now?.version ?? 0) + 1,
    level: key.level,
    owner: key.owner,
    ownerPath: key.ownerPath,
    name: now?.name ?? key.name,
    deployAccess,
    approvalRules,
    options: { ...(now?.options ?? STRICT_OPTIONS), ...wish.options },
    createdAt: now?.createdAt ?? at,
    updatedAt: at,
  };
}
