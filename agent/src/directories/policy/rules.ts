import { z } from 'zod';
import { type ApprovalRule, levelRule } from '../../domain/rule.ts';
import { distinctNames, level, name, principal } from './scalars.ts';

/** One rule: N people of an access level, a group, or one person. */
const rule = z
  .strictObject({
    name: name.describe('What the rule is called, wherever it is shown.'),
    access_level: level.optional().describe('Everybody with at least this access level in the project of the job.'),
    user: principal.optional().describe('One person, by id or user name.'),
    group: principal.optional().describe('Members of a group, by id or full path.'),
    inherited: z.boolean().optional().describe("Members of the group's ancestors count too."),
    count: z.number().int().min(1).max(100).default(1).describe('How many different people.'),
  })
  .transform((read, context): ApprovalRule => {
    const named = [read.access_level, read.user, read.group].filter((one) => one !== undefined);
    if (named.length !== 1 || (read.inherited !== undefined && read.group === undefined)) {
      context.addIssue(
        'a rule asks for exactly one of access_level, user and group (with inherited for a group alone)',
      );
      return z.NEVER;
    }
    const by = (one: string | number) => ({
      id: typeof one === 'number' ? one : null,
      name: typeof one === 'number' ? null : one,
    });
    if (read.access_level !== undefined) return levelRule(read.name, read.access_level, read.count);
    if (read.user !== undefined) return { name: read.name, who: { kind: 'user', ...by(read.user) }, count: read.count };
    const group = { kind: 'group', ...by(read.group!), inherited: read.inherited ?? false } as const;
    return { name: read.name, who: group, count: read.count };
  });

/** Rules of which every one must be met. None, or one that asks for nobody, would be met by nothing at all (T16). */
export const rules = z.array(rule).min(1).max(50).superRefine(distinctNames);
