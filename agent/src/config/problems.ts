import { HoldpointError } from '../domain/errors.ts';

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** `agent.yml:3:5` (file, line, column), a flag or an environment variable. */
  readonly where: string;
  /** Path of the key, e.g. `runners[1].token`; empty when it is about the file as a whole. */
  readonly path: string;
  /** What is wrong and the way out; never a token. */
  readonly message: string;
}

/** All problems of a configuration, in one error. */
export class ConfigError extends HoldpointError {
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super('bad_config', problems.map(problemLine).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `agent.yml:3:5: gitlab.url: what is wrong`. */
export function problemLine(problem: ConfigProblem): string {
  return [problem.where, problem.path, problem.message].filter((part) => part !== '').join(': ');
}
