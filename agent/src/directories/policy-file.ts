import { z } from 'zod';
import { digestOfText } from '../domain/digest.ts';
import type { LifetimeLimit } from '../domain/lifetime.ts';
import { DEFAULT_POLICY, type Policy, SELF_APPROVAL, SUPERSEDED, UNKNOWN_AUTHOR } from '../domain/policy.ts';
import { accessLevel } from '../domain/principal.ts';
import { INPUTS, REF_LIMITS } from '../domain/scope.ts';
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
const schema = z.strictObject({
  // No rule, or a rule that asks for nobody, would be met by nothing at all (T16).
  rules: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(100),
        access_level: level,
        count: z.number().int().min(1).max(100),
      }),
    )
    .min(1)
    .max(50)
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
  on_unmatched: z
    .array(
      z.strictObject({
        project: z.union([z.number().int().positive(), z.string().min(1).max(1_000)]),
        divert: z.string().min(1).max(100),
      }),
    )
    .max(1_000)
    .optional(),
  superseded: z.enum(SUPERSEDED).optional(),
});

/** Reads policy.yaml; what it does not say is as in the default policy. Throws `bad_config` with all problems, each with its line. */
export function readPolicy(text: string, name: string): Policy {
  const file = readStrictYaml(text, name, schema);
  const { rules, lifetimes, scopes } = DEFAULT_POLICY;
  return {
    version: digestOfText(text),
    rules: file.rules?.map((rule) => ({ name: rule.name, accessLevel: rule.access_level, count: rule.count })) ?? rules,
    selfApproval: file.self_approval ?? DEFAULT_POLICY.selfApproval,
    unknownAuthor: file.unknown_author ?? DEFAULT_POLICY.unknownAuthor,
    scopes: {
      inputs: {
        default: file.scopes?.inputs?.default ?? scopes.inputs.default,
        environments: file.scopes?.inputs?.environments ?? scopes.inputs.environments,
        max: file.scopes?.inputs?.max ?? scopes.inputs.max,
      },
      refs: file.scopes?.refs ?? scopes.refs,
    },
    opaque: file.variables?.opaque ?? DEFAULT_POLICY.opaque,
    requestTtlMs: file.request_ttl ?? DEFAULT_POLICY.requestTtlMs,
    lifetimes: {
      default: file.lifetimes?.default ?? lifetimes.default,
      max: file.lifetimes?.max ?? lifetimes.max,
      environments: file.lifetimes?.environments ?? lifetimes.environments,
    },
    rememberMs: file.remember ?? DEFAULT_POLICY.rememberMs,
    ...(file.on_unmatched === undefined
      ? {}
      : { divert: file.on_unmatched.map(({ project, divert }) => ({ project, runner: divert })) }),
    superseded: file.superseded ?? DEFAULT_POLICY.superseded,
  };
}

/** The policy of a file; a changed file counts at the next decision. Throws `bad_config`. */
export function openPolicy(options: { readonly path: string; readonly log: Log }): () => Policy {
  return watchedFile(options.path, options.log, readPolicy);
}
