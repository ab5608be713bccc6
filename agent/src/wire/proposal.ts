/** What monitor mode would have had approved; snake_case on the wire. */
import { z } from 'zod';
import { digestSchema } from './digest.ts';

const time = z.iso.datetime();
const text = z.string().max(65_536);

export const proposalSchema = z.strictObject({
  since: time,
  /** Approvals that would have let runs through, those with most runs first. */
  approvals: z.array(
    z.strictObject({
      project_id: z.number().int(),
      project_path: text.nullable(),
      job: text,
      digest: digestSchema,
      environment: text.nullable(),
      refs: z.array(text),
      runs: z.number().int(),
      triggers: z.array(z.strictObject({ id: z.number().int().nullable(), username: text.nullable() })),
      first_at: time,
      last_at: time,
      /** Other digests that are alike with the proposed lines of the policy. */
      alike: z.array(digestSchema),
      /** How it differs from what is approved, in words. */
      summary: text,
    }),
  ),
  /** Lines of the policy, each job's whole `tolerate` section as YAML. */
  tolerate: z.array(
    z.strictObject({ project_id: z.number().int(), project_path: text.nullable(), job: text, yaml: text }),
  ),
  runs: z.strictObject({ proposed: z.number().int(), covered: z.number().int(), unprotected: z.number().int() }),
  /** True when more was seen than is looked at. */
  cut: z.boolean(),
});
export type ProposalView = z.output<typeof proposalSchema>;
