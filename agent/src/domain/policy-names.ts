import { mapRules, type Policy } from './policy.ts';
import type { Principals } from './principal.ts';

/** The policy with every name of a person or group looked up in a directory that is at hand; what it does not know is nobody (T16, T17). */
export function withNames(policy: Policy, principals: Principals): Policy {
  const user = (name: string) => principals.users.find(({ username }) => username === name)?.id ?? null;
  const group = (name: string) =>
    principals.groups.find(({ path }) => path.toLowerCase() === name.toLowerCase())?.id ?? null;
  return mapRules(policy, (rule) => {
    const { who } = rule;
    if (who.kind === 'access_level' || who.id !== null || who.name === null) return rule;
    return { ...rule, who: { ...who, id: who.kind === 'user' ? user(who.name) : group(who.name) } };
  });
}
