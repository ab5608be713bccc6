import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';

/** One thing that was aimed at, and what came of it. */
export interface Aim {
  readonly what: string;
  readonly wanted: string;
  readonly got: string;
  readonly met: boolean;
}

export interface Table {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What one benchmark found. */
export interface Section {
  readonly title: string;
  /** What was done, in a few sentences. */
  readonly about: string;
  readonly tables: readonly Table[];
  readonly aims: readonly Aim[];
  readonly notes: readonly string[];
}

/** An aim of "at most". */
export function atMost(what: string, limit: number, got: number, write: (value: number) => string): Aim {
  return { what, wanted: `≤ ${write(limit)}`, got: write(got), met: got <= limit };
}

/** An aim of "at least". */
export function atLeast(what: string, limit: number, got: number, write: (value: number) => string): Aim {
  return { what, wanted: `≥ ${write(limit)}`, got: write(got), met: got >= limit };
}

function tableText({ caption, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const align = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [caption, '', line(head), line(align), ...rows.map(line)].join('\n');
}

function aimsTable(aims: readonly Aim[], caption: string): Table {
  const rows = aims.map((aim) => [aim.what, aim.wanted, aim.got, aim.met ? 'met' : '**missed**']);
  return { caption, head: ['Aim', 'wanted', 'measured', ''], rows };
}

/** One benchmark as markdown. */
export function sectionText(section: Section): string {
  const parts = [`## ${section.title}`, section.about, ...section.tables.map(tableText)];
  if (section.aims.length > 0) parts.push(tableText(aimsTable(section.aims, 'Aims:')));
  if (section.notes.length > 0) parts.push(section.notes.map((note) => `* ${note}`).join('\n'));
  return parts.join('\n\n');
}

/** All aims of a run in one table. */
export function aimsText(sections: readonly Section[]): string {
  return tableText(
    aimsTable(
      sections.flatMap((section) => section.aims),
      'All aims:',
    ),
  );
}

/** On what and when it was measured. */
export function machineText(root: string): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const commit = () => {
    try {
      return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
        cwd: root,
        encoding: 'utf8',
        stdio: 'pipe',
      }).trim();
    } catch {
      return 'unknown';
    }
  };
  const system = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  const load = loadavg()[0]!.toFixed(1);
  return (
    `Measured ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC at commit ${commit()}: ` +
    `${cpu?.model.trim() ?? 'unknown'} (${cpus().length} cores, ${memory} GiB), ${system}, Node ${process.version}; load at the start ${load}.`
  );
}
