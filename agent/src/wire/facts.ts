import { z } from 'zod';
import { MAX_PINNED_IMAGES } from '../domain/pinned-images.ts';
import { VALUE_SHAPES } from '../domain/value-shapes.ts';

const text = z.string().max(65_536);
const integer = z.number().int();

/** {@link Facts} as they cross the link and the API. */
export const factsSchema = z.strictObject({
  instance: text,
  project: z.strictObject({ id: integer, path: text.nullable() }),
  job: z.strictObject({ id: integer, name: text, stage: text.nullable(), url: text.nullable() }),
  pipeline: z.strictObject({
    id: integer.nullable(),
    source: text.nullable(),
    url: text.nullable(),
    verified: z.boolean(),
  }),
  ref: z.strictObject({
    full: text,
    name: text,
    type: z.enum(['branch', 'tag', 'merge_request']),
    protected: z.boolean(),
  }),
  commit: z.strictObject({
    sha: text,
    title: text.nullable(),
    author: text.nullable(),
    people: z
      .array(
        z.strictObject({
          role: z.enum(['author', 'committer']),
          id: integer.nullable(),
          name: text,
          email: text.nullable(),
        }),
      )
      .max(1_000)
      .nullable(),
  }),
  environment: z
    .strictObject({
      name: text,
      slug: text.nullable(),
      tier: text.nullable(),
      action: text.nullable(),
      url: text.nullable(),
      verified: z.boolean(),
    })
    .nullable(),
  trigger: z.strictObject({
    id: integer.nullable(),
    username: text.nullable(),
    name: text.nullable(),
    verified: z.enum(['gitlab', 'payload', 'unverified']),
  }),
  roles: z.array(text).max(100),
  runner: text,
  timeout_s: integer,
  dependencies: z
    .array(z.strictObject({ name: text, job_id: integer.nullable(), same_pipeline: z.boolean().nullable() }))
    .max(10_000),
  blind: z.array(text).max(100_000),
  shapes: z
    .array(z.strictObject({ name: text, shapes: z.array(z.enum(VALUE_SHAPES)) }))
    .max(100_000)
    .optional(),
  images: z
    .array(z.strictObject({ reference: text, digest: z.string().max(100).nullable() }))
    .max(MAX_PINNED_IMAGES)
    .optional(),
  behaviour: z.array(text).max(100_000),
  not_covered: z.array(z.strictObject({ path: text, value: text.nullable(), reason: text })).max(200_000),
  warnings: z.array(text).max(10_000),
});
