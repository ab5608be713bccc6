import { summarizeChanges } from '../../../../src/domain/change-summary.ts';
import type { ValueChange } from '../../../../src/domain/configuration-diff.ts';
import { imageNames } from '../../../../src/domain/image-names.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What a configuration wants for the first time, in words; empty where that is nothing nameable. */
function wanted(before: JsonObject | null, after: JsonObject, changes: readonly ValueChange[]): string {
  const old = new Set(imageNames(before).map(({ name }) => name));
  const images = imageNames(after).filter(({ name }) => !old.has(name));
  const lines = changes.filter(({ path, kind }) => kind !== 'removed' && /\.script\[\d+\]$/.test(path)).length;
  const own = images.filter(({ role }) => role === 'image').map(({ name }) => `image ${name}`);
  const services = images.filter(({ role }) => role === 'services').map(({ name }) => `service ${name}`);
  const parts = [...own, ...services, ...(lines > 0 ? [plural(lines, 'new script line')] : [])];
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** What a Hold asks for beside what was approved, in one or two plain sentences. */
export function verdictOf(
  before: JsonObject | null,
  after: JsonObject,
  changes: readonly ValueChange[],
  baseline: { readonly digest: string; readonly about: string } | null,
  of: { readonly digest: string; readonly isWaiting: boolean },
): string {
  const news = wanted(before, after, changes);
  if (baseline === null) {
    const all = news === '' ? '' : `: it wants ${news}`;
    return `Nothing was ever approved for this job here, so all of it is new${all}.`;
  }
  if (baseline.digest === of.digest) {
    const reach = of.isWaiting ? ' That approval does not reach this ref, environment, runner or time.' : '';
    return `This is ${baseline.about}.${reach}`;
  }
  const first = news === '' ? '' : `First time this job wants ${news}. `;
  return `${first}Compared with ${baseline.about}: ${summarizeChanges(changes, before, after)}`;
}
