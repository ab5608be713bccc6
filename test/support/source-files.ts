import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's top folder, with a slash at the end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** Path from the project's top folder. */
  readonly path: string;
  readonly text: string;
  /** What it imports: paths from the top folder for its own files, package or `node:` names otherwise. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

/** Every TypeScript file below a folder with its imports, read as text (the native compiler has no JavaScript API). */
export function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => {
      const absolute = join(entry.parentPath, entry.name);
      const text = readFileSync(absolute, 'utf8');
      const imports = [...text.matchAll(IMPORT)].map((match) => {
        const name = (match[1] ?? match[2]) as string;
        return name.startsWith('.') ? relative(ROOT, resolve(dirname(absolute), name)) : name;
      });
      return { path: relative(ROOT, absolute), text, imports };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
