import { namesInWords } from '../domain/names.ts';
import type { Member, Person } from '../domain/principal.ts';
import { counts, fills, outlook, rulesOf, tallyAll } from '../domain/quorum.ts';
import type { Requirement } from '../domain/requirement.ts';
import { type ApprovalRule, satisfies, whoWords } from '../domain/rule.ts';
import type { Vote } from '../domain/vote.ts';
import type { Directory } from '../ports/directory.ts';

/** Of those who can make it possible again so many are told. */
const MAX_KEEPERS = 20;

/** One rule, how far it is met, and by whom. */
export interface RuleView {
  readonly name: string;
  /** Whom it asks for, in words. */
  readonly who: string;
  readonly need: number;
  readonly have: number;
  /** Whose votes count for it. */
  readonly voted: readonly Person[];
  /** Who could still satisfy it. */
  readonly eligible: readonly Person[];
  /** True when an approve of who asks would count for it. */
  readonly mine: boolean;
  /** It stood when the question was opened (`opened`), the policy asks for it since (`now`), or both. */
  readonly asked: 'both' | 'opened' | 'now';
}
/** Whether all rules together can still be met. */
export interface QuorumView {
  readonly possible: boolean;
  /** In one sentence: who would complete it, or why nobody can and who can change that. */
  readonly words: string;
  /** People whose approves would complete it: one such set. */
  readonly wanted: readonly Person[];
  /** Everybody whose approve would bring it nearer; where one is enough, everybody who completes it alone. */
  readonly helpers: readonly Person[];
  readonly rejects: { readonly need: number; readonly have: number };
  /** Who can make it possible again by changing who belongs to what. */
  readonly keepers: readonly Person[];
}
/** What is asked, of whom, and how far it has come. */
export interface Asked {
  readonly projectId: number;
  /** As it stood when the question was opened, and as it is now; both must be met by the same votes. */
  readonly frozen: Requirement;
  readonly current: Requirement;
  readonly votes: readonly Pick<Vote, 'person' | 'decision' | 'representedAs'>[];
  readonly members: readonly Member[];
}

const sameRule = (a: ApprovalRule, b: ApprovalRule): boolean => JSON.stringify(a) === JSON.stringify(b);
const names = (people: readonly Person[], word: 'and' | 'or' = 'and'): string =>
  namesInWords(
    people.map(({ username }) => username),
    { word },
  );

/** Who would complete it, everybody of them and not one of several who could. */
function completersInWords(wanted: readonly Person[], helpers: readonly Person[]): string {
  if (wanted.length < 2) return `${names(helpers, 'or')} could complete it.`;
  if (helpers.length <= wanted.length) return `${names(wanted)} could complete it together.`;
  return `It takes several people, for example ${names(wanted)}; these can help: ${names(helpers)}.`;
}

/** Votes that count for this Hold: those for the configuration, and of those for one run alone its own. */
export function votesFor<V extends Pick<Vote, 'decision' | 'hold'>>(hold: number, votes: readonly V[]): readonly V[] {
  return votes.filter((vote) => vote.decision === 'reject' || vote.hold === null || vote.hold === hold);
}

/** Every rule that has to be met, for `viewer` (null: for nobody in particular). */
export function ruleViews({ frozen, current, votes, members }: Asked, viewer: number | null): readonly RuleView[] {
  const requirements = [frozen, current];
  const { tallies } = tallyAll(requirements, votes, members);
  const approving = new Set(tallies.flatMap(({ approvedBy }) => approvedBy));
  const said = new Set(votes.map(({ person }) => person.id));
  const member = members.find(({ person }) => person.id === viewer);
  const mine = said.has(viewer ?? 0) ? [null, null] : fills(requirements, votes, members, member);
  const open = members.filter((one) => !said.has(one.person.id) && counts(requirements, one, null));
  const personOf = (id: number) => members.find(({ person }) => person.id === id)?.person;
  const view = (at: 0 | 1, i: number, asked: RuleView['asked']): RuleView => {
    const rule = requirements[at]!.rules[i]!;
    return {
      name: rule.name,
      who: whoWords(rule.who),
      need: rule.count,
      have: tallies[at]!.have[i] ?? 0,
      voted: (tallies[at]!.seats[i] ?? []).flatMap((id) => personOf(id) ?? []),
      eligible: open.filter((one) => satisfies(rule, one) && !approving.has(one.person.id)).map(({ person }) => person),
      mine: mine[at] === i,
      asked,
    };
  };
  const stays = (rule: ApprovalRule) => current.rules.some((other) => sameRule(rule, other));
  const stood = (rule: ApprovalRule) => frozen.rules.some((other) => sameRule(rule, other));
  return [
    ...frozen.rules.map((rule, i) => view(0, i, stays(rule) ? 'both' : 'opened')),
    ...current.rules.flatMap((rule, i) => (stood(rule) ? [] : [view(1, i, 'now')])),
  ];
}

/** Nobody voted, and yet enough votes count: somebody has joined a group, or a rule has become another. */
const MET_BY_NOW =
  'All rules are met by the votes that are there: it goes on as soon as anybody who may approve it does so, or does so again.';

/** Whether the rules can still be met together: by whom, and where nobody can, why and who can change that. */
export async function quorumView(directory: Directory, asked: Asked): Promise<QuorumView> {
  const { frozen, current, votes, members } = asked;
  const requirements = [frozen, current];
  const { outcome, tallies } = tallyAll(requirements, votes, members);
  const need = Math.max(1, Math.min(frozen.rejectsRequired, current.rejectsRequired));
  const have = Math.max(...tallies.map(({ rejectedBy }) => rejectedBy.length));
  const rejects = { need, have };
  const { possible, wanted: ids, helpers: helping, lacking } = outlook(requirements, votes, members);
  const people = new Map(members.map(({ person }) => [person.id, person]));
  const wanted = members.filter(({ person }) => ids.includes(person.id)).map(({ person }) => person);
  const helpers = helping.flatMap((id) => people.get(id) ?? []);
  const nobody = { wanted: [], helpers: [], keepers: [], rejects };
  if (outcome === 'rejected') return { possible: false, words: 'It is rejected.', ...nobody };
  const problem = directory.problem();
  if (possible && problem !== null) return { possible, words: `${problem}.`, wanted, helpers, rejects, keepers: [] };
  if (possible) {
    const words = outcome === 'approved' ? MET_BY_NOW : completersInWords(wanted, helpers);
    return { possible, words, wanted, helpers, rejects, keepers: [] };
  }
  const { keepers, words } = await wayOut(
    directory,
    asked.projectId,
    lacking.map(({ rule }) => rule),
  );
  const why = [...new Map(lacking.map((one) => [one.rule.name, one])).values()].map(
    ({ rule, could }) =>
      `rule ${rule.name} asks for ${rule.count} of ${whoWords(rule.who)}, and at most ${could} of those who may vote can be counted for it`,
  );
  const sentences = [
    `Nobody can complete it at present: ${why.join('; ') || 'no rule is there that anybody could meet'}.`,
    ...(problem === null ? [] : [`${problem}.`]),
    words,
  ];
  return { possible, words: sentences.join(' '), ...nobody, keepers };
}

/** Who can change that nobody can meet these rules. */
async function wayOut(directory: Directory, project: number, rules: readonly ApprovalRule[]) {
  const places = new Map<string, { readonly project: number } | { readonly group: number }>();
  for (const { who } of rules) {
    if (who.kind === 'access_level') places.set('project', { project });
    else if (who.kind === 'group' && who.id !== null) places.set(`group ${who.id}`, { group: who.id });
  }
  const found = await Promise.all([...places.values()].map((place) => directory.keepers(place)));
  const keepers = [...new Map(found.flatMap(({ people }) => people).map((one) => [one.id, one])).values()].slice(
    0,
    MAX_KEEPERS,
  );
  const where = [...new Set(found.map((one) => one.where))].join(' and ');
  const unknown = rules.filter(({ who }) => who.kind !== 'access_level' && who.id === null);
  const words = [
    ...(unknown.length === 0 ? [] : [`Nobody knows ${unknown.map(({ who }) => whoWords(who)).join(' or ')}.`]),
    ...(where === ''
      ? []
      : [`Who belongs to it is changed in ${where}${keepers.length > 0 ? `: ask ${names(keepers)}` : ''}.`]),
    'Whoever edits the policy can change what it asks for; a job that is run again is asked under the rules as they are then.',
  ];
  return { keepers, words: words.join(' ') };
}

/** The rule that an approve of this person would count for, by name; null when none needs it. */
export function ruleOfVote({ frozen, current, votes, members }: Asked, person: number): string | null {
  const member = members.find((one) => one.person.id === person);
  const [then, now] = fills([frozen, current], votes, members, member);
  return (then == null ? null : frozen.rules[then]?.name) ?? (now == null ? null : current.rules[now]?.name) ?? null;
}

/** Names of the rules that this person's vote could count for. */
export function ownRules({ frozen, current, members }: Asked, person: number): readonly string[] {
  const member = members.find((one) => one.person.id === person);
  const now = new Set(rulesOf(current, member, null).map(({ name }) => name));
  return rulesOf(frozen, member, null).flatMap(({ name }) => (now.has(name) ? [name] : []));
}
