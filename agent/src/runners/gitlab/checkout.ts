import { caseFold } from '../../domain/case-fold.ts';
import { isSecret, type VariableGroup } from './variables.ts';

/** What the runner takes for yes; anything else that stands there may switch the checkout off. */
const YES = ['', '1', 't', 'T', 'true', 'TRUE', 'True'];

/** Values under which the runner brings the job's own commit into the work tree, by the variables that decide it. */
const CHECKS_OUT: Readonly<Record<string, readonly string[]>> = {
  GIT_STRATEGY: ['', 'clone', 'fetch'],
  GIT_CHECKOUT: YES,
};

/**
 * Why the files of the commit would not be what the script finds, in words: with the checkout off it finds whatever an
 * earlier job has left (T5, T7). Null where the job checks its commit out.
 */
export function checkoutProblem(groups: ReadonlyMap<string, VariableGroup>): string | null {
  for (const [name, wanted] of Object.entries(CHECKS_OUT)) {
    for (const variable of groups.get(caseFold(name))?.entries ?? []) {
      if (wanted.includes(variable.value)) continue;
      const value = isSecret(variable) ? 'hidden' : JSON.stringify(variable.value.slice(0, 40));
      return `${name} is ${value}: the job may not check its commit out`;
    }
  }
  return null;
}
