import { describe, expect, it } from 'vitest';
import { type SourceFile, sourceFiles } from '../support/source-files.ts';

const files = sourceFiles('agent/src');

/** Folder under agent/src, or the file's own name for the composition roots. */
function layerOf(path: string): string {
  const rest = path.replace(/^agent\/src\//, '');
  return rest.includes('/') ? (rest.split('/')[0] as string) : rest;
}

const ADAPTER = ['domain', 'ports', 'app', 'wire'];
/** Layer → the layers it may import besides itself. An adapter never imports a sibling adapter. */
const MAY: Record<string, readonly string[] | 'anything'> = {
  domain: [],
  ports: ['domain'],
  app: ['domain', 'ports'],
  wire: ['domain'],
  runners: ADAPTER,
  hub: ADAPTER,
  link: ADAPTER,
  stores: ADAPTER,
  executors: ADAPTER,
  directories: ADAPTER,
  notify: ADAPTER,
  system: ADAPTER,
  config: ['domain', 'wire'],
  cli: ['domain', 'wire', 'config'],
  'version.ts': [],
  'doctor.ts': 'anything',
  'doctor-config.ts': 'anything',
  'doctor-executor.ts': 'anything',
  'doctor-hub.ts': 'anything',
  'setup.ts': 'anything',
  'wiring.ts': 'anything',
  'wiring-hub.ts': 'anything',
  'wiring-receipts.ts': 'anything',
  'store-place.ts': 'anything',
  'wiring-executor.ts': 'anything',
  'care.ts': 'anything',
  'care-keys.ts': 'anything',
  'care-seal.ts': 'anything',
  'demo.ts': 'anything',
  'main.ts': 'anything',
};
const PURE_PACKAGES = [/^@noble\/hashes\//, /^fast-json-stable-stringify$/];

function violations(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  const allowed = MAY[layer];
  if (allowed === undefined) return [`${file.path} is in no known layer`];
  return file.imports.flatMap((name) => {
    if (!name.startsWith('agent/') && !name.startsWith('test/')) {
      const pure = layer === 'domain';
      return pure && !PURE_PACKAGES.some((known) => known.test(name)) ? [`${file.path} imports ${name}`] : [];
    }
    if (allowed === 'anything') return [];
    if (name.startsWith('test/')) return [`${file.path} imports ${name}`];
    const target = layerOf(name);
    return target === layer || allowed.includes(target) ? [] : [`${file.path} imports ${name}`];
  });
}

describe('the layers of agent/src', () => {
  it('import downwards only, and never a sibling adapter', () => {
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap(violations)).toEqual([]);
  });

  it('would notice a domain file that reads the clock of node, and an adapter that imports another', () => {
    const bad = (path: string, ...imports: string[]): SourceFile => ({ path, text: '', imports });
    expect(violations(bad('agent/src/domain/x.ts', 'node:fs'))).toHaveLength(1);
    expect(violations(bad('agent/src/hub/x.ts', 'agent/src/stores/sqlite.ts'))).toHaveLength(1);
    expect(violations(bad('agent/src/strange/x.ts'))).toHaveLength(1);
  });

  it('keep the domain pure: no await, clock, randomness, process or I/O', () => {
    const impure = /\bawait\b|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.|\bsetTimeout\b|\bfetch\(/;
    const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, '');
    expect(
      files.filter((file) => layerOf(file.path) === 'domain' && impure.test(code(file.text))).map((f) => f.path),
    ).toEqual([]);
  });

  it('have no cycles', () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      const at = trail.indexOf(path);
      if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
      if (at >= 0 || done.has(path)) return;
      for (const next of byPath.get(path)?.imports ?? []) if (byPath.has(next)) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const file of files) visit(file.path, []);
    expect(cycles).toEqual([]);
  });

  it('have no barrels, and one process.exit, in main.ts', () => {
    const barrels = files.filter((file) => /^\s*export\s+(\*|\{[^}]*\})\s+from/m.test(file.text)).map((f) => f.path);
    expect(barrels).toEqual([]);
    const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const exits = files.filter((file) => /process\.exit\(/.test(code(file.text))).map((f) => f.path);
    expect(exits.filter((path) => path !== 'agent/src/main.ts')).toEqual([]);
  });

  it('give the page their domain and their wire, and nothing else of theirs', () => {
    const page = sourceFiles('agent/page/src');
    expect(page.length).toBeGreaterThan(0);
    const foreign = page.flatMap((file) =>
      file.imports
        .filter((name) => name.startsWith('agent/') && !/^agent\/(page|src\/(domain|wire))\//.test(name))
        .map((name) => `${file.path} imports ${name}`),
    );
    expect(foreign).toEqual([]);
    // Modules of Node are not there in a browser; zod would be half of what a first visit loads.
    const heavy = page.filter((file) => file.imports.some((name) => /^node:|^zod$/.test(name)));
    expect(heavy.map((file) => file.path)).toEqual([]);
  });

  it('stay readable: no file over 500 lines', () => {
    const long = [...files, ...sourceFiles('agent/page/src'), ...sourceFiles('test')].filter(
      (file) => file.text.split('\n').length > 500,
    );
    expect(long.map((file) => file.path)).toEqual([]);
  });
});
