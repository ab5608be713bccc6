import { digestOfText } from '../domain/digest.ts';
import type { Policy } from '../domain/policy.ts';
import type { Log } from '../ports/log.ts';
import { policyOf, policySchema } from './policy/schema.ts';
import { readYaml, type YamlReading } from './strict-yaml.ts';
import { watchedFile } from './watched-file.ts';

/** A policy, and where in its file everything stands. */
export interface PolicyReading extends Pick<YamlReading<unknown>, 'line' | 'has'> {
  readonly policy: Policy;
}

/** Reads policy.yaml; what it does not say is as in the default policy. Throws `bad_config` with all problems, each with its line. */
export function readPolicyFile(text: string, name: string): PolicyReading {
  const { value, line, has } = readYaml(text, name, policySchema);
  return { policy: policyOf(value, digestOfText(text)), line, has };
}

/** The policy of a text alone. Throws as {@link readPolicyFile} does. */
export function readPolicy(text: string, name: string): Policy {
  return readPolicyFile(text, name).policy;
}

/** The policy of a file; a changed file counts at the next decision. Throws `bad_config`. */
export function openPolicy(options: { readonly path: string; readonly log: Log }): () => Policy {
  return watchedFile(options.path, options.log, readPolicy);
}
