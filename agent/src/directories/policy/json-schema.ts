import { z } from 'zod';
import { casesSchema } from './cases.ts';
import { policySchema } from './schema.ts';

/** Where the schemas say that they are to be found: beside the files that they are for. */
const NAMES = { policy: 'policy.schema.json', tests: 'policy-tests.schema.json' } as const;

function schemaOf(schema: z.ZodType, title: string, name: string): object {
  // Editors know draft 7; what a file may say is what is read, before anything is filled in.
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return { $schema, $id: name, title, ...rest };
}

/** JSON Schema of policy.yaml, made of what reads it: an editor completes no key that Holdpoint would refuse. */
export function policyJsonSchema(): object {
  return schemaOf(policySchema, 'Holdpoint: policy', NAMES.policy);
}

/** JSON Schema of a file of policy cases. */
export function casesJsonSchema(): object {
  return schemaOf(casesSchema, 'Holdpoint: tests of a policy', NAMES.tests);
}
