import { fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BENCHES } from './benches.ts';
import { withScale, withSection } from './pages.ts';
import { aimsText, machineText, type Section, sectionText } from './report.ts';
import { ROOT } from './root.ts';

/** No benchmark takes longer; one that hangs must not hang the others. */
const LIMIT_MS = 6 * 60_000;
/** But for those that fill stores with a million rows, or start ten thousand agents again. */
const LONGER_MS: Readonly<Record<string, number>> = { rows: 30 * 60_000, link: 12 * 60_000, 'link-hubs': 8 * 60_000 };
/** What people found out about these numbers; kept by hand. */
const FINDINGS = join(ROOT, 'test/bench/findings.md');
const PAGE = join(ROOT, 'agent/docs/benchmarks.md');
/** Where the aims of single benchmarks stand between marks. */
const SCALE_PAGES = ['README.md', 'agent/docs/scaling.md'].map((path) => join(ROOT, path));

/** Runs one benchmark in a process of its own: no other's warm code or full heap tells in its numbers. */
function runOne(name: string): Promise<Section> {
  const child = fork(fileURLToPath(new URL('./one.js', import.meta.url)), [name], {
    execArgv: ['--expose-gc'],
    detached: true,
  });
  return new Promise((resolve, reject) => {
    // The group: what it has started goes with it.
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), LONGER_MS[name] ?? LIMIT_MS);
    let section: Section | null = null;
    child.on('message', (message) => {
      section = message as Section;
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (section !== null) resolve(section);
      else reject(new Error(`benchmark ${name} ended with ${signal ?? code} and no result`));
    });
    process.once('SIGINT', () => process.kill(-child.pid!, 'SIGTERM'));
  });
}

function page(sections: readonly Section[], machine: string, failures: readonly string[]): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`. Each number stands beside a baseline that was measured in the same run, on the same
machine and in turns with it: read the ratios, not the milliseconds. Processes that serve, proxy and load share the cores.

${machine}
${failures.map((failure) => `\n**Not measured:** ${failure}.\n`).join('')}
${aimsText(sections)}

${sections.map(sectionText).join('\n\n')}

${readFileSync(FINDINGS, 'utf8')}`;
}

function rewrite(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

async function main(args: readonly string[]): Promise<number> {
  const write = args.includes('--write');
  const asked = args.filter((arg) => !arg.startsWith('--'));
  const names = asked.length === 0 ? Object.keys(BENCHES) : asked;
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) {
    process.stderr.write(`no benchmark ${unknown.join(', ')}: there are ${Object.keys(BENCHES).join(', ')}\n`);
    return 2;
  }
  const machine = machineText(ROOT);
  process.stdout.write(`${machine}\n`);
  const sections: Section[] = [];
  const measured: [string, Section][] = [];
  const failures: string[] = [];
  for (const name of names) {
    const start = Date.now();
    try {
      const section = await runOne(name);
      sections.push(section);
      measured.push([name, section]);
      process.stdout.write(`\n${sectionText(section)}\n\n(${name}: ${Math.round((Date.now() - start) / 1000)} s)\n`);
    } catch (error) {
      failures.push((error as Error).message);
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  if (sections.length > 1) process.stdout.write(`\n${aimsText(sections)}\n`);
  if (write && asked.length === 0) writeFileSync(PAGE, page(sections, machine, failures));
  else if (write)
    rewrite(PAGE, (text) => measured.reduce((page, [, section]) => withSection(page, section, machine), text));
  if (write)
    for (const path of SCALE_PAGES)
      rewrite(path, (text) =>
        measured.reduce((page, [name, section]) => withScale(page, name, section, machine), text),
      );
  // An aim that is missed is a finding, no failure.
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
