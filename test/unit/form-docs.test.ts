import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FOLDING_UNICODE_VERSION } from '../../agent/src/domain/case-fold-table.ts';
import { REMOVED, REMOVED_PASSWORD } from '../../agent/src/runners/gitlab/fields.ts';
import { FORM } from '../../agent/src/runners/gitlab/form.ts';
import { IGNORABLE_VARIABLES } from '../../agent/src/runners/gitlab/ignorable-variables.ts';

const page = readFileSync(new URL('../../agent/docs/canonical-form.md', import.meta.url), 'utf8');
const cells = (line: string) =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
const table = (heading: string) => {
  const lines = page.slice(page.indexOf(heading)).split('\n');
  const start = lines.findIndex((line) => line.startsWith('|---'));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 1, end).map(cells);
};

describe('the reference page of the canonical form', () => {
  it('names the form and the version of Unicode', () => {
    expect(page).toContain(`# The canonical form \`${FORM}\``);
    expect(page).toContain(`Unicode ${FOLDING_UNICODE_VERSION}`);
  });

  it('has every removed leaf with its reason', () => {
    const rows = table('## What is not covered');
    expect(rows.slice(0, -1)).toEqual(REMOVED.map((leaf) => [`\`${leaf.path}\``, leaf.reason]));
    expect(rows.at(-1)?.[0]).toBe(`\`${REMOVED_PASSWORD.path}\``);
    expect(rows.at(-1)?.[1]).toContain(REMOVED_PASSWORD.reason);
  });

  it('has every variable that may be ignored with its rule', () => {
    expect(table('### Ignored')).toEqual(
      IGNORABLE_VARIABLES.map((row) => [
        `\`${row.name}\``,
        row.class,
        row.when,
        row.pattern === undefined ? (row.rule ?? 'text rule') : `\`${row.pattern}\``,
        row.presence === true ? 'name' : '',
        row.chosen === true ? 'yes' : '',
      ]),
    );
  });

  it('T5 says what no digest covers: files of the repository, images that can move, packages, artifacts, caches', () => {
    const said = page.slice(page.indexOf('## What no digest covers'));
    for (const word of ['repository', 'submodules', 'images', 'packages', 'artifacts', 'caches', 'rules']) {
      expect(said).toContain(word);
    }
  });
});
