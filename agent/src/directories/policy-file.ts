import { digestOfText } from '../domain/digest.ts';
import type { Policy } from '../domain/policy.ts';
import type { Log } from '../ports/log.ts';
import { policyOf, policySchema } from './policy/schema.ts';
import { readStrictYaml } from './strict-yaml.ts';
import { watchedFile } from './watched-file.ts';

/** Reads policy.yaml; what it does not say is as in the default policy. Throws `bad_config` with all problems, each with its line. */
export function readPolicy(text: string, name: string): Policy {
  return policyOf(readStrictYaml(text, name, policySchema), digestOfText(text));
}

/** The policy of a file; a changed file counts at the next decision. Throws `bad_config`. */
export function openPolicy(options: { readonly path: string; readonly log: Log }): () => Policy {
  return watchedFile(options.path, options.log, readPolicy);
}
