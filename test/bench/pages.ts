import { aimsText, type Section, sectionText } from './report.ts';

/** Opens what is written by hand at the end of the page. */
const FINDINGS = '\n## Where the time goes';

/** The page of benchmarks with one section that was measured apart from the rest: in the place of the one before, or the last. */
export function withSection(page: string, section: Section, machine: string): string {
  const lines = sectionText(section).split('\n');
  const text = [lines[0], '', machine.replace(/^Measured/, 'Measured apart from the rest,'), ...lines.slice(1)].join(
    '\n',
  );
  const from = page.indexOf(`\n${lines[0]}\n`);
  if (from === -1) {
    const end = page.indexOf(FINDINGS);
    if (end === -1) throw new Error(`benchmarks.md has no "${FINDINGS.trim()}"`);
    return `${page.slice(0, end)}\n${text}\n${page.slice(end)}`;
  }
  const next = page.indexOf('\n## ', from + 1);
  return `${page.slice(0, from)}\n${text}\n${next === -1 ? '' : page.slice(next)}`;
}

/** The page with the aims of one benchmark between its two marks; as it was where it has none. */
export function withScale(page: string, name: string, section: Section, machine: string): string {
  const [opens, closes] = [`<!-- scale ${name} -->\n`, `<!-- /scale ${name} -->`];
  const [from, to] = [page.indexOf(opens), page.indexOf(closes)];
  if (from === -1 || to < from) return page;
  const table = aimsText([section]).replace(/^All aims:\n\n/, '');
  return `${page.slice(0, from + opens.length)}${machine}\n\n${table}\n${page.slice(to)}`;
}
