import { type Change, SECTIONS, type Section } from './configuration-diff.ts';
import { cut, unchangedCount } from './configuration-leaves.ts';
import type { JsonObject } from './json.ts';

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

/** A longer text would not be read in a sentence. */
const MAX_SAID_CHARACTERS = 120;

/** What changed beside script and variables: where it is one name, which one. */
function sectionWords(section: Section, own: readonly Change[]): string {
  const kinds = new Set(own.map((change) => change.kind));
  const verb = kinds.size === 1 ? own[0]!.kind : 'changed';
  if (section === 'files') return fileWords(own);
  if (section === 'rest') return `${plural(own.length, 'other value')} ${verb}`;
  const [only] = own;
  const named = own.length === 1 && only!.kind === 'changed' && /^(?:image|services\[\d+\])\.name$/.test(only!.path);
  return named ? `${section} changed to ${cut(only!.after ?? '', MAX_SAID_CHARACTERS)}` : `${section} ${verb}`;
}

/** Covered files by what became of them; of one, which one. */
function fileWords(own: readonly Change[]): string {
  const names = new Set(own.flatMap(({ path }) => fileOf(path) ?? []));
  if (names.size === 0) return 'what is covered of the repository changed';
  const [only] = names;
  return names.size === 1
    ? `${cut(only!, MAX_SAID_CHARACTERS)} changed`
    : `${plural(names.size, 'covered file')} changed`;
}

/** The file that a path of a change is about. */
function fileOf(path: string): string | null {
  const [, plain, quoted] = /^covered_files\.files(?:\.([A-Za-z_][\w-]*)|\[("(?:[^"\\]|\\.)*")\])/.exec(path) ?? [];
  return plain ?? quoted?.slice(1, -1) ?? null;
}

/** Lines of the script, or variables, by what became of them. */
function lineWords(section: 'script' | 'variables', own: readonly Change[], isFirst: boolean): readonly string[] {
  const isLine = (change: Change) => section === 'variables' || /\.script\[\d+\]$/.test(change.path);
  const what = section === 'script' ? 'script line' : 'variable';
  const parts = (['added', 'removed', 'changed'] as const).flatMap((kind) => {
    const paths = own
      .filter((c) => c.kind === kind && isLine(c))
      .map((c) => (section === 'script' ? c.path : c.path.split(/[.[]/)[1]));
    const count = new Set(paths).size;
    return count === 0 ? [] : [`${plural(count, what)} ${kind}`];
  });
  // Where there was nothing before, nothing can have changed.
  const hasOthers = !isFirst && own.some((change) => !isLine(change));
  return hasOthers ? [...parts, 'other parts of the script changed'] : parts;
}

/** One sentence over a whole diff: "1 script line added, image changed to alpine:3.21; 57 values unchanged." */
export function summarizeChanges(changes: readonly Change[], before: JsonObject | null, after: JsonObject): string {
  const parts = SECTIONS.flatMap((section) => {
    const own = changes.filter((change) => change.section === section);
    if (own.length === 0) return [];
    return section === 'script' || section === 'variables'
      ? lineWords(section, own, before === null)
      : [sectionWords(section, own)];
  });
  if (before === null) return `The first configuration: ${parts.join(', ')}.`;
  const rest = `${plural(unchangedCount(changes, after), 'value')} unchanged.`;
  return parts.length === 0 ? `No change; ${rest}` : `${parts.join(', ')}; ${rest}`;
}
