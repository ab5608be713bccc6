import { basename, dirname } from 'node:path';
import { digestOfText } from '../domain/digest.ts';
import type { Policy } from '../domain/policy.ts';
import type { Log } from '../ports/log.ts';
import type { PolicyStatus } from '../ports/policy-status.ts';
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

/** The policy of a file, asked at each decision. */
export interface PolicySource {
  (): Policy;
  /** Where it comes from, and whether the file can be read as it is now. */
  status(): PolicyStatus;
}

/** The policy of a file; a changed file counts at the next decision, a broken one leaves what was read last. Throws `bad_config`. */
export function openPolicy(options: {
  readonly path: string;
  readonly log: Log;
  /** Epoch ms of now. */
  readonly now: () => number;
}): PolicySource {
  const { path, now } = options;
  let loadedAt = 0;
  const read = watchedFile(path, options.log, (text, name) => {
    const reading = readPolicyFile(text, name);
    loadedAt = now();
    return reading;
  });
  return Object.assign(() => read().policy, {
    status: (): PolicyStatus => {
      const problem = read.problem();
      const { line, has } = read();
      return {
        file: basename(path),
        loadedAt,
        // Whoever may read the policy has no business knowing where on the host it lies.
        problem: problem === null ? null : problem.replaceAll(`${dirname(path)}/`, ''),
        line: (at) => (has(at) ? line(at) : null),
      };
    },
  });
}
