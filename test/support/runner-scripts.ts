/** A text as gitlab-runner's bash writer quotes it: `$'…'`. */
function quoted(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\n', '\\n')
    .replaceAll('\x1b', '\\x1b');
  return `$'${escaped}'`;
}

/** Variables that every script of a job begins with. */
export const EXPORTS: Readonly<Record<string, string>> = {
  FF_USE_FASTZIP: 'false',
  CI: 'true',
  CI_JOB_STATUS: 'running',
  CI_PROJECT_PATH: 'acme/payments/api',
  GREETING: 'it\'s "fine"\nand $HOME is not expanded',
};

/**
 * A stage's script in the shape in which gitlab-runner hands it to a custom executor: one `eval` of one quoted text, fed
 * with nothing, so that the lines of a job cannot read the script they stand in.
 */
export function stageScript(commands: readonly string[], exports: Readonly<Record<string, string>> = EXPORTS): string {
  const lines = [
    ...Object.entries(exports).map(([name, value]) => `export ${name}=${quoted(value)}`),
    ...commands.flatMap((command) => [`echo ${quoted(`\x1b[32;1m$ ${command}\x1b[0;m`)}`, command]),
    '',
  ];
  return `#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nset -eo pipefail\nset +o noclobber\n: | eval ${quoted(lines.join('\n'))}\nexit 0\n`;
}

/** The same without telling what it does: the runner's own stages. */
export function ownScript(lines: readonly string[]): string {
  return `#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nset -eo pipefail\nset +o noclobber\n: | eval ${quoted(`${lines.join('\n')}\n`)}\nexit 0\n`;
}
