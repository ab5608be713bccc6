import { caseFold } from '../../domain/case-fold.ts';
import { isSecret, type VariableGroup } from './variables.ts';

/** What the runner takes for yes; anything else that stands there may switch the checkout off. */
const YES = ['', '1', 't', 'T', 'true', 'TRUE', 'True'];

/** Values under which the runner brings the job's own commit into the work tree, by the variables that decide it. */
const CHECKS_OUT: Readonly<Record<string, readonly string[]>> = {
  GIT_STRATEGY: ['', 'clone', 'fetch'],
  GIT_CHECKOUT: YES,
};
/** With any other of them a file stays that the commit does not have: an ignored one too, since what is ignored a commit says itself. */
const CLEANS: readonly string[] = ['', '-ffdx', '-ffxd', '-fdxf', '-xffd', '-xdff', '-dffx', '-dxff'];

/**
 * Why the files of the commit would not be what the script finds, in words: with the checkout off, or without cleaning, it finds
 * whatever an earlier job has left (T5, T7). Null where the job checks its commit out, and nothing beside it stays.
 */
export function checkoutProblem(groups: ReadonlyMap<string, VariableGroup>): string | null {
  const entries = (name: string) => groups.get(caseFold(name))?.entries ?? [];
  const other = (name: string, wanted: readonly string[], problem: string): string | null => {
    const variable = entries(name).find(({ value }) => !wanted.includes(value));
    if (variable === undefined) return null;
    const value = isSecret(variable) ? 'hidden' : JSON.stringify(variable.value.slice(0, 40));
    return `${name} is ${value}: ${problem}`;
  };
  for (const [name, wanted] of Object.entries(CHECKS_OUT)) {
    const problem = other(name, wanted, 'the job may not check its commit out');
    if (problem !== null) return problem;
  }
  // A new clone has nothing to clean.
  const strategy = entries('GIT_STRATEGY');
  if (strategy.length > 0 && strategy.every(({ value }) => value === 'clone')) return null;
  return other(
    'GIT_CLEAN_FLAGS',
    CLEANS,
    'files of earlier jobs may stay beside its commit; set GIT_STRATEGY to clone',
  );
}
