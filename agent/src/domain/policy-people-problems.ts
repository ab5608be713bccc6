import { membersOf } from './membership.ts';
import type { Policy, PolicyEntry } from './policy.ts';
import type { PolicyPath } from './policy-explain.ts';
import { entryFits, type PolicyMatch } from './policy-match.ts';
import { type PolicyProblem, places, problem } from './policy-problem.ts';
import { ruleWords } from './policy-words.ts';
import type { Principals, Project } from './principal.ts';
import { rulesOfEntry } from './protected-environment.ts';
import { outlook } from './quorum.ts';
import { requirementFor } from './requirement.ts';
import { type ApprovalRule, namedIn, satisfies } from './rule.ts';
import { globMatches } from './scope.ts';

/** Rules by where they stand. */
function rulePlaces(policy: Policy): readonly { readonly at: PolicyPath; readonly rule: ApprovalRule }[] {
  const list = (rules: readonly ApprovalRule[] | undefined, at: PolicyPath) =>
    (rules ?? []).map((rule, index) => ({ at: [...at, index], rule }));
  return [
    ...places(policy).flatMap(({ settings, at }) => [
      ...list(settings.rules, [...at, 'rules']),
      ...list(settings.breakGlass?.rules, [...at, 'break_glass', 'rules']),
    ]),
    ...policy.freezes.flatMap(({ rules }, index) => list(rules, ['freeze', index, 'rules'])),
    ...policy.environments.flatMap((entry, index) =>
      rulesOfEntry(entry).map((rule) => ({ at: ['environments', index] as PolicyPath, rule })),
    ),
  ];
}

/** Names that nobody has, and rules that nobody can meet. */
export function peopleProblems(policy: Policy, principals: Principals): readonly PolicyProblem[] {
  const named = rulePlaces(policy).flatMap(({ at, rule }) => {
    const { who } = rule;
    if (who.kind === 'user' && !principals.users.some(({ id, blocked }) => id === who.id && !blocked))
      return [
        problem('error', at, `names ${who.name ?? `user ${who.id}`}: there is no such person, or they are blocked`),
      ];
    if (who.kind === 'group' && !principals.groups.some(({ id }) => id === who.id))
      return [problem('error', at, `names the group ${who.name ?? who.id}: there is none`)];
    return [];
  });
  return [...named, ...unknownProjects(policy, principals), ...unmeetable(policy, principals)];
}

/** Projects that are named and that nobody knows: a mistyped name protects nothing. */
function unknownProjects(policy: Policy, { projects }: Principals): readonly PolicyProblem[] {
  const known = (one: number | string) =>
    projects.some(({ id, path }) =>
      typeof one === 'number' ? one === id : globMatches(one.toLowerCase(), path.toLowerCase()),
    );
  const lists = [
    ...policy.entries.map(({ match }, i) => ({ match, at: ['configurations', i, 'match', 'projects'] as PolicyPath })),
    ...policy.freezes.map(({ match }, i) => ({ match, at: ['freeze', i, 'match', 'projects'] as PolicyPath })),
    ...policy.environments.map(({ match }, i) => ({ match, at: ['environments', i, 'projects'] as PolicyPath })),
  ];
  return lists.flatMap(({ match, at }) =>
    (match.projects ?? []).flatMap((one, index) =>
      known(one) ? [] : [problem('warning', [...at, index], `${one} fits no project that is known`)],
    ),
  );
}

/** Projects of which it could hold: entries that go by more than projects are looked at as if the rest fitted. */
const touches = (match: PolicyMatch, project: Project): boolean =>
  entryFits(match.projects === undefined ? {} : { projects: match.projects }, {
    projectId: project.id,
    projectPath: project.path,
    job: '',
    ref: '',
    refProtected: false,
    environment: null,
  });

/** True when the entry says the rules for all jobs of the project. */
const decidesAll = ({ match, settings }: PolicyEntry, project: Project): boolean =>
  settings.rules !== undefined &&
  match.jobs === undefined &&
  match.refs === undefined &&
  match.environments === undefined &&
  touches(match, project);

const MAX_PROJECTS_NAMED = 5;

/** Rules that all people of a project together cannot meet, or not if one of them triggered the job. */
function unmeetable(policy: Policy, principals: Principals): readonly PolicyProblem[] {
  return places(policy).flatMap(({ settings, at }, place) => {
    const { rules } = settings;
    if (rules === undefined) return [];
    const match = place === 0 ? {} : policy.entries[place - 1]!.match;
    const nobody: string[] = [];
    const alone: string[] = [];
    for (const project of principals.projects.filter((each) => touches(match, each))) {
      // What holds for all jobs holds not for a project of which an entry says another rule for all its jobs.
      const said = place === 0 && policy.entries.some((entry) => decidesAll(entry, project));
      if (said) continue;
      const members = membersOf(principals, project.id, namedIn(rules));
      const trigger = { id: null, username: null, name: null, verified: 'gitlab' as const };
      const requirement = requirementFor(
        { ...policy.base, ...settings, version: policy.version },
        { trigger, people: [] },
      );
      const possible = (excluded: readonly number[]) => outlook([{ ...requirement, excluded }], [], members).possible;
      if (!possible([])) nobody.push(project.path);
      else {
        const needed = members.filter((member) => rules.some((rule) => satisfies(rule, member)));
        const mode = settings.selfApproval ?? policy.base.selfApproval;
        if (mode !== 'allow' && needed.some(({ person }) => !possible([person.id]))) alone.push(project.path);
      }
    }
    const listed = (paths: readonly string[]) =>
      `${paths.slice(0, MAX_PROJECTS_NAMED).join(', ')}${paths.length > MAX_PROJECTS_NAMED ? ` and ${paths.length - MAX_PROJECTS_NAMED} more` : ''}`;
    const words = rules.map(ruleWords).join(' and ');
    return [
      ...(nobody.length === 0
        ? []
        : [problem('error', [...at, 'rules'], `nobody can satisfy ${words} in ${listed(nobody)}`)]),
      ...(alone.length === 0
        ? []
        : [
            problem(
              'warning',
              [...at, 'rules'],
              `in ${listed(alone)} nobody can satisfy ${words} once one of those who could has caused the job`,
            ),
          ]),
    ];
  });
}
