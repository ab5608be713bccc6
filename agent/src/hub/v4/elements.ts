/** Elements of `deploy_access_levels` and `approval_rules`: from what was sent to what is wished, and refused where GitLab would drop them. */
import type { AccessElement, ElementChange, RuleElement } from '../../domain/protected-environment.ts';
import type { Who } from '../../domain/rule.ts';
import type { Directory } from '../../ports/directory.ts';
import { type Element, GROUP_INHERITANCE } from '../../wire/v4/bodies.ts';
import { V4Error } from './errors.ts';

/** How GitLab calls the two lists in what it says of them. */
export type ListName = 'Deploy access levels' | 'Approval rules';

/** Where the elements are to stand. */
export interface Placing {
  readonly directory: Directory;
  readonly level: 'project' | 'group';
  /** Id of the project or group. */
  readonly owner: number;
}

/** Whom an element names; null where it names nobody and so leaves what was there. Throws `not_exactly_one`. */
function whoOf(list: ListName, element: Element, before: Who | undefined): Who | null {
  const { user_id: user, group_id: group, access_level: level } = element;
  const named = [user, group, level].filter((one) => one !== undefined).length;
  if (named > 1 || (named === 0 && before === undefined)) throw new V4Error('not_exactly_one', { list });
  const type = element.group_inheritance_type;
  const inherited = (old: boolean): boolean => (type === undefined ? old : type === GROUP_INHERITANCE.all);
  if (user !== undefined) return { kind: 'user', id: user, name: null };
  if (level !== undefined) return { kind: 'access_level', level };
  if (group !== undefined) return { kind: 'group', id: group, name: null, inherited: inherited(false) };
  if (before?.kind === 'group' && type !== undefined) return { ...before, inherited: inherited(before.inherited) };
  return null;
}

/** The same with its name as it is now, for those who read it later. Throws `unfit_user`, `unfit_group`. */
async function fitting(list: ListName, who: Who, { directory, level, owner }: Placing): Promise<Who> {
  switch (who.kind) {
    case 'access_level':
      return who;
    case 'user': {
      const id = who.id!;
      const person = await directory.person(id);
      const access =
        level === 'group'
          ? await directory.accessInGroup(id, owner)
          : ((await directory.members(owner)).find((member) => member.person.id === id)?.accessLevel ?? 0);
      if (person === null || person.blocked || access === 0) throw new V4Error('unfit_user', { list, id, level });
      return { ...who, name: person.username };
    }
    case 'group': {
      const group = await directory.group(who.id!);
      if (group === null) throw new V4Error('unfit_group', { list, id: who.id! });
      return { ...who, name: group.path };
    }
    default:
      return who satisfies never;
  }
}

async function changesOf<T extends AccessElement>(
  list: ListName,
  elements: readonly Element[] | undefined,
  before: readonly T[],
  placing: Placing,
  more: (element: Element) => Partial<Omit<T, 'id' | 'who'>>,
): Promise<readonly ElementChange<T>[] | undefined> {
  if (elements === undefined) return undefined;
  const changes: ElementChange<T>[] = [];
  for (const element of elements) {
    const { id } = element;
    const old = id === undefined ? undefined : before.find((one) => one.id === id);
    if (id !== undefined && old === undefined) throw new V4Error('unknown_element');
    if (element._destroy === true) {
      // What was never there needs no taking away.
      if (id !== undefined) changes.push({ id, destroy: true });
      continue;
    }
    const who = whoOf(list, element, old?.who);
    changes.push({
      ...(id === undefined ? {} : { id }),
      ...(who === null ? {} : { who: await fitting(list, who, placing) }),
      ...more(element),
    } as ElementChange<T>);
  }
  return changes;
}

/** Who may deploy. Throws `no_deploy_access` where nobody would be left. */
export async function deployAccessOf(
  elements: readonly Element[] | undefined,
  before: readonly AccessElement[],
  placing: Placing,
): Promise<readonly ElementChange<AccessElement>[] | undefined> {
  const changes = await changesOf<AccessElement>('Deploy access levels', elements, before, placing, () => ({}));
  const gone = (changes ?? []).filter((change) => change.destroy === true).length;
  const added = (changes ?? []).filter((change) => change.id === undefined).length;
  if (before.length + added - gone < 1) throw new V4Error('no_deploy_access');
  return changes;
}

/** Who approves; a rule asks for one approval unless it says otherwise. Throws `too_few_approvals`, `too_many_approvals`. */
export async function approvalRulesOf(
  elements: readonly Element[] | undefined,
  before: readonly RuleElement[],
  placing: Placing,
  limit: number,
): Promise<readonly ElementChange<RuleElement>[] | undefined> {
  return changesOf<RuleElement>('Approval rules', elements, before, placing, (element) => {
    const count = element.required_approvals ?? (element.id === undefined ? 1 : undefined);
    if (count === undefined) return {};
    if (count < 1) throw new V4Error('too_few_approvals');
    if (count > limit) throw new V4Error('too_many_approvals', { limit });
    return { count };
  });
}
