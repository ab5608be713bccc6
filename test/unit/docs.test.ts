import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AGENT_FILE, EXECUTOR_FILE, HUB_FILE } from '../../agent/src/config/file-kinds.ts';
import { ERRORS } from '../../agent/src/domain/errors.ts';
import { eventsPage } from '../support/audit-events-page.ts';
import { runCli } from '../support/cli.ts';
import { errorsPage, optionsPage } from '../support/reference-pages.ts';
import { ROOT } from '../support/source-files.ts';

/** The page as it is in the tree; with UPDATE_DOCS=1 it is written first. */
function pageInTree(name: string, text: string): string {
  const path = join(ROOT, 'agent/docs', name);
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, text);
  return readFileSync(path, 'utf8');
}

describe('the reference pages', () => {
  it('options.md is the table of options', () => {
    expect(pageInTree('options.md', optionsPage())).toBe(optionsPage());
  });

  it('audit-events.md is the table of what the audit can say', () => {
    expect(pageInTree('audit-events.md', eventsPage())).toBe(eventsPage());
  });

  it('errors.md is the table of errors', () => {
    expect(pageInTree('errors.md', errorsPage())).toBe(errorsPage());
  });

  it.each([
    ['agent', AGENT_FILE],
    ['hub', HUB_FILE],
    ['executor prepare', EXECUTOR_FILE],
  ] as const)(
    '"holdpoint %s --help" has every option of the table with its variable and default, and no other',
    async (name, { options }) => {
      const { out } = await runCli([...name.split(' '), '--help']);
      const flags = [...out.matchAll(/^ {2}(?:-h, )?(--[a-z-]+)/gm)].map((match) => match[1]);
      expect(flags).toEqual(['--config', ...options.map((option) => option.flag), '--json', '--help']);
      const words = out.replace(/\s+/g, ' ');
      for (const option of options) {
        const facts = [
          option.env,
          option.choices.join(' | '),
          option.default === null ? '' : `default ${option.default}`,
        ];
        const shown = facts.filter((fact) => fact !== '').join(', ');
        expect(words).toContain(`${option.flag} <${option.unit}> ${option.help} (${shown})`);
      }
    },
  );

  it('"holdpoint --help" names every exit code of the table of errors', async () => {
    const words = (await runCli(['--help'])).out.replace(/\s+/g, ' ');
    for (const exit of new Set(Object.values(ERRORS).map((error) => error.exit)))
      expect(words).toMatch(new RegExp(`\\b${exit} [a-z]`));
    for (const line of (await runCli(['--help'])).out.split('\n')) expect(line.length).toBeLessThanOrEqual(83);
  });
});
