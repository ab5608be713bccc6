import { changedEnvironment } from '../../domain/environment-change.ts';
import { isTier, TIERS } from '../../domain/environment-tier.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Policy } from '../../domain/policy.ts';
import { accessWord } from '../../domain/principal.ts';
import type {
  EnvironmentAction,
  EnvironmentChange,
  EnvironmentKey,
  EnvironmentWish,
  ProtectedEnvironment,
} from '../../domain/protected-environment.ts';
import type { ProjectOptions } from '../../ports/deployment-store.ts';
import type { StoreReader } from '../../ports/store.ts';
import { byCaller, type Caller, type HubContext, retrying } from '../hub-context.ts';
import { notFound } from '../see.ts';
import { type Settlement, settle } from '../settle.ts';

/** What came of a change: the protection as it is then (null: none), and the change that waits where the policy asks for four eyes. */
export interface EnvironmentOutcome {
  readonly environment: ProtectedEnvironment | null;
  readonly pending: EnvironmentChange | null;
}

/** GitLab's longest name of an environment. */
const MAX_NAME_CHARACTERS = 255;
/** Changes of one project or group that wait at once. */
const MAX_PENDING = 100;

const named = ({ level, owner, name }: EnvironmentKey): string =>
  name === '' ? `${level} ${owner}` : `environment ${name} of ${level} ${owner}`;

/** The caller's access level where the environment belongs, and that place's path; null for an unknown one. */
async function standingIn(context: HubContext, person: number, { level, owner }: EnvironmentKey) {
  const { directory } = context;
  if (level === 'group') {
    const group = await directory.group(owner);
    return group && { path: group.path, access: await directory.accessInGroup(person, owner) };
  }
  const project = await directory.project(owner);
  if (project === null) return null;
  const members = await directory.members(owner, { users: [person], groups: [] }, context.clock.now());
  const own = members.find((member) => member.person.id === person);
  return { path: project.path, access: own?.accessLevel ?? 0 };
}

/** The path of the place, for whoever may edit there. Throws `not_found` for a stranger, `forbidden` for too little access. */
async function requireEditor(
  context: HubContext,
  policy: Policy,
  caller: Caller,
  key: EnvironmentKey,
): Promise<string> {
  const found = await standingIn(context, caller.person.id, key);
  if (found === null || found.access === 0 || caller.person.blocked) throw notFound(key.level, key.owner);
  const { environments: needed } = policy.edit;
  // A bot with a token of a maintainer's is no second pair of eyes, and no first one (T18).
  if (found.access >= needed && caller.person.bot !== true) return found.path;
  throw new HoldpointError(
    'forbidden',
    `${named(key)}: you are ${accessWord(found.access)} there, the policy asks for ${accessWord(needed)} to change what protects environments (edit.environments)`,
  );
}

function requireName({ level, name }: EnvironmentKey): void {
  if (level === 'group' && !isTier(name)) {
    throw new HoldpointError(
      'bad_input',
      `"${name}" is no tier: a group protects environments by tier, which is ${TIERS.join(', ')}`,
    );
  }
  if (name === '' || name.length > MAX_NAME_CHARACTERS)
    throw new HoldpointError('bad_input', `the name of an environment has 1 to ${MAX_NAME_CHARACTERS} characters`);
}

/** The protection as the action leaves it; null where it takes it away. Throws `already_protected`, `not_protected`, `bad_input`. */
function planned(
  key: EnvironmentKey,
  ownerPath: string,
  action: EnvironmentAction,
  now: ProtectedEnvironment | null,
  at: number,
  maxPerRule: number,
): ProtectedEnvironment | null {
  switch (action.type) {
    case 'protect':
      if (now !== null)
        throw new HoldpointError('already_protected', `${named(key)} is protected already: change what protects it`);
      return changedEnvironment(null, { ...key, ownerPath }, action.wish, at, maxPerRule);
    case 'change':
    case 'unprotect':
      if (now === null)
        throw new HoldpointError('not_protected', `nothing protects ${named(key)} through the API: protect it first`);
      return action.type === 'unprotect'
        ? null
        : changedEnvironment(now, { ...key, ownerPath }, action.wish, at, maxPerRule);
    case 'project_options':
      return null;
    default:
      return action satisfies never;
  }
}

const shown = (one: ProtectedEnvironment | null): JsonObject | null =>
  one === null ? null : (JSON.parse(JSON.stringify(one)) as JsonObject);

/** Writes an action with its audit row. */
async function apply(
  s: Settlement,
  key: EnvironmentKey,
  ownerPath: string,
  action: EnvironmentAction,
  detail: JsonObject,
): Promise<ProtectedEnvironment | null> {
  const about: JsonObject = {
    level: key.level,
    owner: key.owner,
    owner_path: ownerPath,
    ...(key.level === 'project' ? { project_id: key.owner } : {}),
    ...detail,
  };
  if (action.type === 'project_options') {
    const before = await s.tx.projectOptions(key.owner);
    const { allowPipelineTriggerApprove: allow } = action;
    await s.tx.putProjectOptions(key.owner, { allowPipelineTriggerApprove: allow });
    await s.audit(
      'project_options_changed',
      {},
      {
        ...about,
        allow_pipeline_trigger_approve: { from: before.allowPipelineTriggerApprove, to: allow },
      },
    );
    return null;
  }
  const now = await s.tx.protectedEnvironmentNamed(key);
  const next = planned(key, ownerPath, action, now, s.now, s.policy.edit.maxRequiredApprovals);
  const detailed = { ...about, environment: key.name, before: shown(now) };
  if (next === null) {
    if (now !== null) await s.tx.deleteProtectedEnvironment(now);
    await s.audit('environment_unprotected', {}, detailed);
    return null;
  }
  const stored =
    now === null ? await s.tx.insertProtectedEnvironment(next) : await s.tx.updateProtectedEnvironment(next);
  await s.audit(
    now === null ? 'environment_protected' : 'environment_changed',
    {},
    { ...detailed, after: shown(stored) },
  );
  return stored;
}

async function edit(
  context: HubContext,
  caller: Caller,
  key: EnvironmentKey,
  action: EnvironmentAction,
): Promise<EnvironmentOutcome> {
  return retrying(async () => {
    const policy = await context.policy();
    const ownerPath = await requireEditor(context, policy, caller, key);
    if (action.type !== 'project_options') requireName(key);
    const now = context.clock.now();
    return settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const current = await s.tx.protectedEnvironmentNamed(key);
      // Refused now rather than when the second person looks at it.
      planned(key, ownerPath, action, current, now, policy.edit.maxRequiredApprovals);
      const { id, username, name } = caller.person;
      const said = { person: id, token: caller.token.id };
      if (!policy.edit.fourEyes) return { environment: await apply(s, key, ownerPath, action, said), pending: null };
      if ((await s.tx.openEnvironmentChanges(key.level, key.owner)).length >= MAX_PENDING) {
        throw new HoldpointError(
          'rate_limited',
          `${MAX_PENDING} changes wait for a second person in ${key.level} ${key.owner}: confirm or withdraw some first`,
        );
      }
      const pending = await s.tx.insertEnvironmentChange({
        ...key,
        version: 1,
        ownerPath,
        action,
        base: current?.version ?? null,
        state: 'open',
        by: { id, username, name },
        at: now,
        decided: null,
      });
      const project = key.level === 'project' ? { project_id: key.owner } : {};
      const wanted = JSON.parse(JSON.stringify(action)) as JsonObject;
      const detail = { ...said, ...project, level: key.level, owner: key.owner, environment: key.name };
      await s.audit('environment_asked', {}, { ...detail, change: pending.id, wanted });
      return { environment: current, pending };
    });
  });
}

/** Protects an environment, or a tier of a group. Rejects with `not_found`, `forbidden`, `already_protected`, `bad_input`. */
export function protectEnvironment(
  context: HubContext,
  caller: Caller,
  key: EnvironmentKey,
  wish: EnvironmentWish,
): Promise<EnvironmentOutcome> {
  return edit(context, caller, key, { type: 'protect', wish });
}

/** Changes what protects an environment; elements keep their ids. Rejects with `not_found`, `forbidden`, `not_protected`, `bad_input`. */
export function updateEnvironment(
  context: HubContext,
  caller: Caller,
  key: EnvironmentKey,
  wish: EnvironmentWish,
): Promise<EnvironmentOutcome> {
  return edit(context, caller, key, { type: 'change', wish });
}

/** Takes away what protects an environment through the API. Rejects with `not_found`, `forbidden`, `not_protected`. */
export function unprotectEnvironment(
  context: HubContext,
  caller: Caller,
  key: EnvironmentKey,
): Promise<EnvironmentOutcome> {
  return edit(context, caller, key, { type: 'unprotect' });
}

/** Sets what holds for all environments of a project. Rejects with `not_found`, `forbidden`. */
export function setProjectOptions(
  context: HubContext,
  caller: Caller,
  projectId: number,
  options: ProjectOptions,
): Promise<EnvironmentOutcome> {
  const key = { level: 'project', owner: projectId, name: '' } as const;
  return edit(context, caller, key, { type: 'project_options', ...options });
}

/** What protects environments of a project or group through the API, for whoever belongs to it. Rejects with `not_found`. */
export async function environmentsOf(
  context: HubContext,
  caller: Caller,
  level: ProtectedEnvironment['level'],
  owner: number,
): Promise<readonly ProtectedEnvironment[]> {
  await requireMember(context, caller, { level, owner, name: '' });
  return context.store.protectedEnvironments(level, owner);
}

/** Changes that wait for a second person, for whoever belongs there. Rejects with `not_found`. */
export async function environmentChangesOf(
  context: HubContext,
  caller: Caller,
  level: ProtectedEnvironment['level'],
  owner: number,
): Promise<readonly EnvironmentChange[]> {
  await requireMember(context, caller, { level, owner, name: '' });
  return context.store.openEnvironmentChanges(level, owner);
}

async function requireMember(context: HubContext, caller: Caller, key: EnvironmentKey): Promise<void> {
  const found = await standingIn(context, caller.person.id, key);
  if (found === null || found.access === 0 || caller.person.blocked) throw notFound(key.level, key.owner);
}

async function openChange(store: StoreReader, id: number): Promise<EnvironmentChange> {
  const change = await store.environmentChange(id);
  if (change === null) throw new HoldpointError('not_found', `there is no change ${id} that you may see`);
  return change;
}

async function requireOpen(s: Settlement, id: number): Promise<EnvironmentChange> {
  const change = await openChange(s.tx, id);
  if (change.state === 'open') return change;
  throw new HoldpointError('wrong_state', `change ${id} is ${change.state}: nothing is left to decide`);
}

/**
 * Confirms what somebody else asked for, and does it. Whoever asked cannot (T18), and what was changed meanwhile is another
 * matter (T13). Rejects with `not_found`, `forbidden`, `self_approval`, `wrong_state`.
 */
export async function confirmEnvironmentChange(
  context: HubContext,
  caller: Caller,
  id: number,
): Promise<EnvironmentOutcome> {
  return retrying(async () => {
    const policy = await context.policy();
    const asked = await openChange(context.store, id);
    const ownerPath = await requireEditor(context, policy, caller, asked);
    if (asked.by.id === caller.person.id) {
      throw new HoldpointError(
        'self_approval',
        `change ${id}: you asked for it, and the policy wants a second person: ask somebody else who may edit there`,
      );
    }
    const now = context.clock.now();
    const outcome = await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const change = await requireOpen(s, id);
      const { id: person, username, name } = caller.person;
      const decided = { by: { id: person, username, name }, at: now };
      const version = change.version + 1;
      const current = change.name === '' ? null : await s.tx.protectedEnvironmentNamed(change);
      if ((current?.version ?? null) !== change.base) {
        await s.tx.updateEnvironmentChange({ ...change, version, state: 'outdated', decided });
        await s.audit('environment_withdrawn', {}, { ...detailOf(change), person, reason: 'outdated' });
        return null;
      }
      await s.tx.updateEnvironmentChange({ ...change, version, state: 'confirmed', decided });
      await s.audit('environment_confirmed', {}, { ...detailOf(change), person, asked_by: change.by.id });
      const detail = { person, asked_by: change.by.id, change: id };
      return { environment: await apply(s, change, ownerPath, change.action, detail), pending: null };
    });
    if (outcome !== null) return outcome;
    throw new HoldpointError(
      'wrong_state',
      `change ${id}: ${named(asked)} was changed since it was asked for: ask for it again`,
    );
  });
}

/** Withdraws one's own change, or refuses somebody else's. Rejects with `not_found`, `forbidden`, `wrong_state`. */
export async function withdrawEnvironmentChange(
  context: HubContext,
  caller: Caller,
  id: number,
): Promise<EnvironmentOutcome> {
  return retrying(async () => {
    const policy = await context.policy();
    await requireEditor(context, policy, caller, await openChange(context.store, id));
    const now = context.clock.now();
    return settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const change = await requireOpen(s, id);
      const { id: person, username, name } = caller.person;
      const decided = { by: { id: person, username, name }, at: now };
      await s.tx.updateEnvironmentChange({ ...change, version: change.version + 1, state: 'withdrawn', decided });
      await s.audit('environment_withdrawn', {}, { ...detailOf(change), person, reason: 'withdrawn' });
      return { environment: await s.tx.protectedEnvironmentNamed(change), pending: null };
    });
  });
}

function detailOf({ id, level, owner, name }: EnvironmentChange): JsonObject {
  return { change: id, level, owner, environment: name, ...(level === 'project' ? { project_id: owner } : {}) };
}
