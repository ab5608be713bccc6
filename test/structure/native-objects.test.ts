import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../support/source-files.ts';

describe('objects of better-sqlite3', () => {
  it('are made in one place that keeps them: collected as garbage they end the process since Node 24.19', () => {
    const makers = sourceFiles('agent/src').filter((file) => file.imports.includes('better-sqlite3'));
    const loose = makers.flatMap((file) =>
      [...file.text.matchAll(/\.(prepare|pragma|iterate|backup|transaction)\(/g)].map(
        (match) => `${file.path} ${match[0]}`,
      ),
    );
    expect(makers.map((file) => file.path)).toEqual(['agent/src/stores/statements.ts', 'agent/src/stores/store.ts']);
    expect(loose).toEqual(['agent/src/stores/statements.ts .prepare(']);
  });
});
