import { z } from 'zod';
import { digestOfText } from '../domain/digest.ts';
import type { LifetimeLimit } from '../domain/lifetime.ts';
import {
  DEFAULT_POLICY,
  type Policy,
  type PolicySettings,
  SELF_APPROVAL,
  SUPERSEDED,
  UNKNOWN_AUTHOR,
} from '../domain/policy.ts';
import { accessLevel } from '../domain/principal.ts';
import { type ApprovalRule, levelRule } from '../domain/rule.ts';
import { INPUTS, REF_LIMITS } from '../domain/scope.ts';
import { IN_JOBS } from '../domain/token-use.ts';
import type { Log } from '../ports/log.ts';
import { readStrictYaml } from './strict-yaml.ts';
import { watchedFile } from './watched-file.ts';

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A year: a longer wait is a mistake in the file. */
const MAX_DAYS = 366;

const duration = z.string().transform((text, context) => {
  const match = /^([1-9]\d{0,5})([mhd])$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  if (ms > 0 && ms <= MAX_DAYS * UNIT_MS.d) return ms;
  context.addIssue(`${text} is no duration of at most ${MAX_DAYS} days: write 90m, 24h or 30d`);
  return z.NEVER;
});
/** At least as long as a token may go unnoted between two uses, and never longer than any of them lives. */
const idle = duration.refine((ms) => ms >= UNIT_MS.h && ms <= 30 * UNIT_MS.d, 'wanted a time of 1h to 30d');
const limit = z.string().transform((text, context): LifetimeLimit => {
  if (text === 'run' || text === 'standing') return { kind: text };
  const days = Number(/^([1-9]\d{0,2})d$/.exec(text)?.[1] ?? 0);
  if (days > 0 && days <= MAX_DAYS) return { kind: 'days', days };
  context.addIssue(`${text} is no lifetime: write run, standing or a number of days such as 30d`);
  return z.NEVER;
});
const level = z.union([z.string(), z.number()]).transform((value, context) => {
  const number = accessLevel(value);
  if (number !== null && number > 0) return number;
  context.addIssue(`${value} is no access level: write developer, maintainer, owner or GitLab's number`);
  return z.NEVER;
});
const count = z.number().int().min(1).max(100);
const principal = z.union([z.number().int().positive(), z.string().min(1).max(255)]);
const rule = z
  .strictObject({
    name: z.string().min(1).max(100),
    access_level: level.optional(),
    user: principal.optional(),
    group: principal.optional(),
    /** Members of the group's ancestors count too. */
    inherited: z.boolean().optional(),
    count: count.default(1),
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
const settings = {
  // No rule, or a rule that asks for nobody, would be met by nothing at all (T16).
  rules: z
    .array(rule)
    .min(1)
    .max(50)
    .superRefine((rules, context) => {
      const names = rules.map(({ name }) => name);
      for (const [i, name] of names.entries())
        if (names.indexOf(name) !== i)
          context.addIssue({ code: 'custom', path: [i, 'name'], message: `${name} stands twice` });
    })
    .optional(),
  self_approval: z.enum(SELF_APPROVAL).optional(),
  unknown_author: z.enum(UNKNOWN_AUTHOR).optional(),
  scopes: z
    .strictObject({
      inputs: z
        .strictObject({
          default: z.enum(INPUTS).optional(),
          environments: z.enum(INPUTS).optional(),
          max: z.enum(INPUTS).optional(),
        })
        .optional(),
      refs: z.enum(REF_LIMITS).optional(),
    })
    .optional(),
  variables: z.strictObject({ opaque: z.array(z.string().min(1).max(255)).max(1_000).optional() }).optional(),
  request_ttl: duration.optional(),
  lifetimes: z
    .strictObject({ default: limit.optional(), max: limit.optional(), environments: limit.optional() })
    .optional(),
  remember: duration.optional(),
  superseded: z.enum(SUPERSEDED).optional(),
};
const globs = z.array(z.string().min(1).max(1_000)).min(1).max(1_000).optional();
const schema = z.strictObject({
  ...settings,
  configurations: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(100),
        match: z.strictObject({
          projects: z
            .array(z.union([z.number().int().positive(), z.string().min(1).max(1_000)]))
            .min(1)
            .max(10_000)
            .optional(),
          jobs: globs,
          refs: globs,
          environments: globs,
        }),
        ...settings,
      }),
    )
    .max(1_000)
    .optional(),
  tokens: z.strictObject({ idle: idle.optional(), in_jobs: z.enum(IN_JOBS).optional() }).optional(),
  on_unmatched: z
    .array(
      z.strictObject({
        project: z.union([z.number().int().positive(), z.string().min(1).max(1_000)]),
        divert: z.string().min(1).max(100),
      }),
    )
    .max(1_000)
    .optional(),
});

type ReadSettings = z.output<z.ZodObject<typeof settings>>;

/** What a part of the file says, and nothing of what it does not say; `base` fills the halves of scopes and lifetimes. */
function settingsOf(read: ReadSettings, base: PolicySettings): Partial<PolicySettings> {
  const { scopes, lifetimes } = read;
  const said: { readonly [K in keyof PolicySettings]: PolicySettings[K] | undefined } = {
    rules: read.rules,
    selfApproval: read.self_approval,
    unknownAuthor: read.unknown_author,
    scopes: scopes && {
      inputs: {
        default: scopes.inputs?.default ?? base.scopes.inputs.default,
        environments: scopes.inputs?.environments ?? base.scopes.inputs.environments,
        max: scopes.inputs?.max ?? base.scopes.inputs.max,
      },
      refs: scopes.refs ?? base.scopes.refs,
    },
    opaque: read.variables?.opaque,
    requestTtlMs: read.request_ttl,
    lifetimes: lifetimes && {
      default: lifetimes.default ?? base.lifetimes.default,
      max: lifetimes.max ?? base.lifetimes.max,
      environments: lifetimes.environments ?? base.lifetimes.environments,
    },
    rememberMs: read.remember,
    superseded: read.superseded,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** Reads policy.yaml; what it does not say is as in the default policy. Throws `bad_config` with all problems, each with its line. */
export function readPolicy(text: string, name: string): Policy {
  const file = readStrictYaml(text, name, schema);
  const base: PolicySettings = { ...DEFAULT_POLICY.base, ...settingsOf(file, DEFAULT_POLICY.base) };
  return {
    version: digestOfText(text),
    base,
    entries: (file.configurations ?? []).map((entry) => ({
      name: entry.name,
      match: Object.fromEntries(Object.entries(entry.match).filter(([, value]) => value !== undefined)),
      settings: settingsOf(entry, base),
    })),
    tokens: {
      idleMs: file.tokens?.idle ?? DEFAULT_POLICY.tokens.idleMs,
      inJobs: file.tokens?.in_jobs ?? DEFAULT_POLICY.tokens.inJobs,
    },
    ...(file.on_unmatched === undefined
      ? {}
      : { divert: file.on_unmatched.map(({ project, divert }) => ({ project, runner: divert })) }),
  };
}

/** The policy of a file; a changed file counts at the next decision. Throws `bad_config`. */
export function openPolicy(options: { readonly path: string; readonly log: Log }): () => Policy {
  return watchedFile(options.path, options.log, readPolicy);
}
