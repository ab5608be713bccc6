import { readCases } from './policy/cases.ts';
import { casesJsonSchema, policyJsonSchema } from './policy/json-schema.ts';
import { readPolicy, readPolicyFile } from './policy-file.ts';
import { readPrincipals } from './principals-file.ts';

/** How the files of a policy are read, for the command line. */
export const policyParts = {
  readPolicy,
  readPolicyFile,
  readPrincipals,
  readCases,
  schema: (of: 'policy' | 'tests'): object => (of === 'policy' ? policyJsonSchema() : casesJsonSchema()),
} as const;
