import { overWords } from '../../../../src/domain/approval-over.ts';
import { summarizeChanges } from '../../../../src/domain/change-summary.ts';
import type { ValueChange } from '../../../../src/domain/configuration-diff.ts';
import { imageNames } from '../../../../src/domain/image-names.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import type { Baseline } from './examine.ts';

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
  baseline: Pick<Baseline, 'digest' | 'about' | 'over'> | null,
  of: {
    readonly digest: string;
    readonly isWaiting: boolean;
    /** Something was approved for this job, and the reader compares with nothing. */
    readonly wasApproved: boolean;
    /** It waits no more: what it asked for is told in the past. */
    readonly isDecided?: boolean;
  },
): string {
  const news = wanted(before, after, changes);
  if (baseline === null) {
    const all = news === '' ? '' : `: it wants ${news}`;
    if (of.isDecided === true && !of.wasApproved)
      return `Nothing had been approved for this job here before, so all of it was new${all}.`;
    return of.wasApproved
      ? `Compared with nothing, all of it is shown as new${all}.`
      : `Nothing was ever approved for this job here, so all of it is new${all}.`;
  }
  const { about, over } = baseline;
  if (baseline.digest === of.digest) {
    if (over !== null)
      return `This is exactly ${about}. That approval ${overWords(over)}. It lets nothing run any more: whoever approves now approves it anew.`;
    return `This is ${about}.${of.isWaiting ? ' That approval does not reach this ref, environment, runner or time.' : ''}`;
  }
  const first = news === '' ? '' : `First time this job wants ${news}. `;
  const end = over === null ? '' : ` That approval ${overWords(over)}. It lets nothing run any more.`;
  return `${first}Compared with ${about}: ${summarizeChanges(changes, before, after)}${end}`;
}
