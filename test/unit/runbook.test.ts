import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { alerts } from '../support/monitoring.ts';
import { ROOT } from '../support/source-files.ts';

const page = readFileSync(join(ROOT, 'agent/docs/runbook.md'), 'utf8');
const entries = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({ alert: text.split('\n')[0]!, text: text.split(/^## /m)[0]! }));
/** Command lines of this program that a page tells people to type. */
const commands = [...new Set([...page.matchAll(/`?(holdpoint [a-z][^`\n#]*)/g)].map((match) => match[1]!.trim()))];

describe('the runbook', () => {
  it('has an entry for every alert, in the order of the rules, and no other', () => {
    expect(entries.map(({ alert }) => alert)).toEqual(alerts().map(({ alert }) => alert));
  });

  it.each(alerts())('$alert: says how bad it is and what to do, step by step, and the alert leads there', (alert) => {
    const { text } = entries.find((entry) => entry.alert === alert.alert)!;
    expect(text).toMatch(new RegExp(`^\\*${alert.labels.severity}\\* — .{40,}`, 'm'));
    expect(text).toMatch(/^1\. .{20,}/m);
    expect(alert.annotations.runbook).toBe(`agent/docs/runbook.md#${alert.alert.toLowerCase()}`);
    for (const [, target] of text.matchAll(/\]\(#([a-z]+)\)/g))
      expect(entries.map((entry) => entry.alert.toLowerCase())).toContain(target);
  });

  it.each(commands)('the command exists as it is written: %s', async (line) => {
    const words = line
      .replace(/"[^"]*"/g, 'x')
      .split(' ')
      .slice(1);
    const { out: top } = await runCli(['--help']);
    const name = words[0]!;
    expect(top).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    const { out } = await runCli([name, '--help']);
    const isSub = /^\w/.test(words[1] ?? '') && new RegExp(`^ {2}${words[1]}[ |]`, 'm').test(out);
    const sub = isSub ? [words[1]!] : [];
    // A word that is no subcommand stands for an argument, which the usage then names.
    const help = await runCli([name, ...sub, '--help']);
    const rest = words.slice(1 + sub.length);
    if (rest[0] !== undefined && !rest[0].startsWith('--'))
      expect(help.out.split('\n')[0]).toMatch(/[<[][a-z]+(\.\.\.)?[>\]]$/);
    for (const flag of rest.filter((word) => word.startsWith('--'))) expect(help.out).toContain(` ${flag}`);
    expect([help.exit, help.err]).toEqual([0, '']);
  });

  it('names only pages and files of this tree', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(2);
    expect(links.filter((link) => !existsSync(join(ROOT, 'agent/docs', link)))).toEqual([]);
  });
});
