/** Bodies of `/api/v1/check`: jobs as their YAML says them, and what is expected of them. */
import { z } from 'zod';
import { changeSchema } from './api.ts';

const text = z.string().max(65_536);
const part = z.record(z.string(), z.unknown());
const parts = z.array(part).max(1_000);

/** One job. Parts have the shape that a Configuration has. */
export const declaredJobSchema = z.strictObject({
  name: text,
  stage: text.nullable(),
  environment: z.strictObject({ name: text, url: text.nullable(), action: text.nullable() }).nullable(),
  tags: z.array(text).max(1_000),
  script: z.array(z.string()).nullable(),
  after_script: z.array(z.string()),
  image: part.nullable(),
  services: parts,
  artifacts: parts,
  cache: parts,
  hooks: parts,
  variables: z.array(z.strictObject({ key: text, value: z.string(), raw: z.boolean() })).max(10_000),
});
/** One job, as it is sent. */
export type DeclaredJobBody = z.output<typeof declaredJobSchema>;

/** GitLab's own limit for the jobs of a pipeline is 500 as shipped. */
export const checkBody = z.strictObject({
  project: z.union([z.number().int().positive(), z.string().min(1).max(1_000)]),
  instance: z.url().max(2_048).optional(),
  ref: z
    .string()
    .regex(/^refs\/(heads|tags|merge-requests)\/\S+$/)
    .max(1_024),
  protected: z.boolean().default(true),
  jobs: z.array(declaredJobSchema).min(1).max(500),
});

export const checkedJobSchema = z.strictObject({
  job: text,
  environment: text.nullable(),
  expect: z.enum(['passes', 'waits', 'refused', 'unseen']),
  why: text,
  approval: z.number().int().nullable(),
  changes: z.array(changeSchema),
  approvers: z.array(z.strictObject({ words: text, people: z.array(text).nullable() })),
  unknown: z.array(text),
});
/** What is expected of one job. */
export type CheckedJobView = z.output<typeof checkedJobSchema>;

export const checkSchema = z.strictObject({
  project_id: z.number().int(),
  project_path: text.nullable(),
  ref: text,
  ref_protected: z.boolean(),
  items: z.array(checkedJobSchema),
  /** What a prediction is not. */
  caveat: text,
});
/** The whole answer. */
export type CheckView = z.output<typeof checkSchema>;
