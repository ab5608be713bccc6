import { z } from 'zod';
import type { LifetimeLimit } from '../../domain/lifetime.ts';
import { ACCESS_LEVELS, accessLevel } from '../../domain/principal.ts';

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A year: a longer wait is a mistake in the file. */
const MAX_DAYS = 366;

/** `90m`, `24h` or `30d`, in milliseconds. */
export const duration = z
  .string()
  .meta({ pattern: '^[1-9]\\d{0,5}[mhd]$', examples: ['90m', '24h', '30d'] })
  .transform((text, context) => {
    const match = /^([1-9]\d{0,5})([mhd])$/.exec(text);
    const ms = match === null ? 0 : Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    if (ms > 0 && ms <= MAX_DAYS * UNIT_MS.d) return ms;
    context.addIssue(`${text} is no duration of at most ${MAX_DAYS} days: write 90m, 24h or 30d`);
    return z.NEVER;
  });

/** `run`, `standing` or a number of days. */
export const lifetimeLimit = z
  .string()
  .meta({ pattern: '^(run|standing|[1-9]\\d{0,2}d)$', examples: ['run', '30d', 'standing'] })
  .transform((text, context): LifetimeLimit => {
    if (text === 'run' || text === 'standing') return { kind: text };
    const days = Number(/^([1-9]\d{0,2})d$/.exec(text)?.[1] ?? 0);
    if (days > 0 && days <= MAX_DAYS) return { kind: 'days', days };
    context.addIssue(`${text} is no lifetime: write run, standing or a number of days such as 30d`);
    return z.NEVER;
  });

/** An access level that somebody has: by GitLab's word or number, never none. */
export const level = z
  .union([z.string(), z.number()])
  .meta({
    examples: Object.entries(ACCESS_LEVELS)
      .filter(([, number]) => number > 0)
      .flat(),
  })
  .transform((value, context) => {
    const number = accessLevel(value);
    if (number !== null && number > 0) return number;
    context.addIssue(`${value} is no access level: write developer, maintainer, owner or GitLab's number`);
    return z.NEVER;
  });

/** A person or a group, by GitLab's id or by name. */
export const principal = z.union([z.number().int().positive(), z.string().min(1).max(255)]);

/** What entries, rules and windows are called. */
export const name = z.string().min(1).max(100);

/** A pattern: `*` stands for any characters, nothing else is special, the whole text must match. */
export const glob = z.string().min(1).max(1_000);

/** At least one pattern: an empty list would fit nothing, and is a mistake (T16). */
export const globs = z.array(glob).min(1).max(1_000);

/** Complains of each name that stands twice in a list. */
export function distinctNames(items: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  const names = items.map((item) => item.name);
  for (const [i, own] of names.entries()) {
    if (names.indexOf(own) !== i)
      context.addIssue({ code: 'custom', path: [i, 'name'], message: `${own} stands twice` });
  }
}
