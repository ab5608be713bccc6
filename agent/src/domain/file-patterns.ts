import { caseFold } from './case-fold.ts';
import { globMatches } from './scope.ts';

/** So many patterns for one job: each is held against every path of the repository. */
export const MAX_FILE_PATTERNS = 50;
const MAX_PATTERN_CHARACTERS = 255;

/** What stands in a path is compared without letter case and as composed characters: some work trees know neither. */
const fold = (text: string): string => caseFold(text.normalize('NFC'));

/** Why a text is no pattern of files, null for one that is. */
export function filePatternProblem(pattern: string): string | null {
  if (pattern === '' || pattern.length > MAX_PATTERN_CHARACTERS)
    return `a pattern of files has 1 to ${MAX_PATTERN_CHARACTERS} characters`;
  if (/[\u0000-\u001f\u007f\\]/.test(pattern)) return 'a pattern of files has no control characters and no backslash';
  const parts = pattern.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    return `${pattern} is no path from the root of the repository: write it as in deploy.sh or ansible/**`;
  if (parts.some((part) => part !== '**' && part.includes('**')))
    return `${pattern}: ** stands for whole folders, as in ansible/** or **/deploy.sh`;
  return null;
}

/** Which paths of a repository are meant. */
export interface FileMatcher {
  /** The path itself. */
  matches(path: string): boolean;
  /** The path, or something that could lie below it: a link that stands in for a folder leads to what a pattern means. */
  leadsTo(path: string): boolean;
}

/**
 * `*` stands for any characters but `/`, `**` as a whole part for any number of folders, nothing else is special; letter
 * case does not count. Time is in proportion to path and patterns.
 */
export function fileMatcher(patterns: readonly string[]): FileMatcher {
  const all = patterns.map((pattern) => fold(pattern).split('/'));
  const walk = (path: string, isMeant: (at: ReadonlySet<number>, end: number) => boolean): boolean => {
    const parts = fold(path).split('/');
    return all.some((pattern) => {
      let at = onward(pattern, [0]);
      for (const part of parts) {
        const next: number[] = [];
        for (const i of at) {
          const wanted = pattern[i];
          if (wanted === '**') next.push(i);
          else if (wanted !== undefined && globMatches(wanted, part)) next.push(i + 1);
        }
        at = onward(pattern, next);
        if (at.size === 0) return false;
      }
      return isMeant(at, pattern.length);
    });
  };
  return {
    matches: (path) => walk(path, (at, end) => at.has(end)),
    leadsTo: (path) => walk(path, () => true),
  };
}

/** Folders above a path, the root of the repository first, as {@link namesAttributes} says them. */
export function foldersOf(path: string): readonly string[] {
  const parts = fold(path).split('/').slice(0, -1);
  return ['', ...parts.map((_, index) => parts.slice(0, index + 1).join('/'))];
}

/** The folder whose files these attributes are about; null for any other path. */
export function namesAttributes(path: string): string | null {
  const folded = fold(path);
  if (folded === '.gitattributes') return '';
  return folded.endsWith('/.gitattributes') ? folded.slice(0, -'/.gitattributes'.length) : null;
}

/** Places in a pattern that are reached without another part: `**` stands for no folder as well. */
function onward(pattern: readonly string[], from: readonly number[]): ReadonlySet<number> {
  const at = new Set(from);
  for (const i of at) if (pattern[i] === '**') at.add(i + 1);
  return at;
}
