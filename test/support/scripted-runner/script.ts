const GREEN = '\\033[32;1m';
const RESET = '\\033[0;m';

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The script as the runner writes it: stops at the first line that fails, shows each line before it runs. */
export function scriptOf(lines: readonly string[]): string {
  const body = lines.map((line) => {
    const shown = line.split('\n')[0] ?? '';
    return `printf '${GREEN}$ %s${RESET}\\n' ${quoted(shown)}\n${line}`;
  });
  return `set -e\n${body.join('\n')}\n`;
}
