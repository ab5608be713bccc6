import { ACCESS_LEVELS, accessWord, type Member, type NamedPrincipals } from './principal.ts';

/**
 * Whom a rule asks for: one person, members of a group, or everybody with at least this access level in the job's project.
 * `id` is the CI server's number and is what counts; null stands for a name that nobody could look up: it is nobody (T16, T17).
 * `inherited`: members of the group's ancestors count too; otherwise its own members alone.
 */
export type Who =
  | { readonly kind: 'access_level'; readonly level: number }
  | { readonly kind: 'user'; readonly id: number | null; readonly name: string | null }
  | { readonly kind: 'group'; readonly id: number | null; readonly name: string | null; readonly inherited: boolean };

/** "N people of these." A count below 1 is met by nobody (T16). */
export interface ApprovalRule {
  readonly name: string;
  readonly who: Who;
  readonly count: number;
}

/** A rule that asks for an access level. */
export function levelRule(name: string, level: number, count: number): ApprovalRule {
  return { name, who: { kind: 'access_level', level }, count };
}

/**
 * True when the person could be counted for the rule. Unknown and blocked people are not members and satisfy nothing; a bot
 * satisfies only a rule that names it.
 */
export function satisfies({ who }: ApprovalRule, member: Member | undefined): boolean {
  if (member === undefined || member.person.blocked) return false;
  switch (who.kind) {
    case 'user':
      return who.id !== null && member.person.id === who.id;
    case 'group':
      return (
        !member.person.bot &&
        who.id !== null &&
        member.groups.some((group) => group.id === who.id && (who.inherited || !group.inherited))
      );
    case 'access_level':
      if (member.person.bot || who.level <= 0) return false;
      return member.accessLevel >= who.level || (who.level === ACCESS_LEVELS.admin && member.person.admin === true);
    default:
      who satisfies never;
      return false;
  }
}

/** Whom a rule asks for, in words: `maintainer or higher`, `members of acme/qa`, `alice`. */
export function whoWords(who: Who): string {
  switch (who.kind) {
    case 'access_level':
      return who.level === ACCESS_LEVELS.admin ? 'administrator' : `${accessWord(who.level)} or higher`;
    case 'user':
      return who.name ?? `user ${who.id}`;
    case 'group':
      return `members of ${who.name ?? `group ${who.id}`}`;
    default:
      return who satisfies never;
  }
}

/** What to do who is none of these: `ask rob`, or where groups or levels are asked for, `ask one of them`. */
export function askWords(whom: readonly Who[]): string {
  const isNames = whom.length > 0 && whom.every(({ kind }) => kind === 'user');
  return isNames ? `ask ${[...new Set(whom.map(whoWords))].join(' or ')}` : 'ask one of them';
}

/** Whom the rules name by id. */
export function namedIn(rules: readonly ApprovalRule[]): NamedPrincipals {
  const ids = (kind: 'user' | 'group') => [
    ...new Set(rules.flatMap(({ who }) => (who.kind === kind && who.id !== null ? [who.id] : []))),
  ];
  const admins = rules.some(({ who }) => who.kind === 'access_level' && who.level === ACCESS_LEVELS.admin);
  return { users: ids('user'), groups: ids('group'), admins };
}
