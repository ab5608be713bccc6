import { type Change, diffConfigurations, SECTIONS, summarizeChanges } from '../domain/configuration-diff.ts';
import type { JsonObject } from '../domain/json.ts';
import { printable, printableLines } from '../domain/printable.ts';
import type { PayloadReader } from './digest.ts';
import {
  exitOf,
  type FileIo,
  FileProblem,
  type PayloadFileOptions,
  readOrProblem,
  readVariableKey,
  readVerifier,
  refusalLine,
  type VerifierOf,
} from './payload-files.ts';

const TITLES: Readonly<Record<(typeof SECTIONS)[number], string>> = {
  script: 'Script',
  image: 'Image',
  services: 'Services',
  variables: 'Variables',
  artifacts: 'Artifacts',
  cache: 'Cache',
  secrets: 'Secrets',
  rest: 'The rest',
};

/** Lines for a terminal: by section, `-` what was and `+` what is, each with its place. Control characters out of effect. */
export function diffLinesForTerminal(changes: readonly Change[]): readonly string[] {
  const lines: string[] = [];
  for (const section of SECTIONS) {
    const own = changes.filter((change) => change.section === section);
    if (own.length === 0) continue;
    lines.push(TITLES[section]);
    for (const change of own) {
      lines.push(`  ${printable(change.path)}: ${printable(change.words)}`);
      const put = (sign: string, text: string | null) => {
        for (const line of text === null ? [] : printableLines(text).split('\n')) lines.push(`    ${sign} ${line}`);
      };
      put('-', change.before);
      put('+', change.after);
    }
  }
  return lines;
}

/** `holdpoint diff A B`: what changed from one payload to the other. Resolves to the exit code; a difference is no failure. */
export async function diffCommand(
  a: string,
  b: string,
  options: PayloadFileOptions,
  io: FileIo,
  reader: PayloadReader,
  verifierOf: VerifierOf,
): Promise<number> {
  try {
    const variableKey = await readVariableKey(io, options.variableKeyFile);
    const verifyIdToken = await readVerifier(io, options.jwks, verifierOf);
    const sides: { digest: string; configuration: JsonObject }[] = [];
    let exit = 0;
    for (const file of [a, b]) {
      const reading = reader(await readOrProblem(io, file), { instance: '', runner: '', variableKey, verifyIdToken });
      if (reading.ok) sides.push(reading);
      else {
        io.err(refusalLine(file, reading), reading.code);
        exit = exitOf(reading.code);
      }
    }
    const [before, after] = sides;
    if (before === undefined || after === undefined) return exit;
    const changes = diffConfigurations(before.configuration, after.configuration);
    const equal = before.digest === after.digest;
    const summary = summarizeChanges(changes, before.configuration, after.configuration);
    if (options.json === true) {
      const side = (file: string, digest: string) => ({ file, digest });
      io.out(
        `${JSON.stringify({ equal, before: side(a, before.digest), after: side(b, after.digest), summary, changes }, null, 2)}\n`,
      );
      return 0;
    }
    io.out(`${before.digest}  ${printable(a)}\n${after.digest}  ${printable(b)}\n`);
    io.out(`${equal ? 'One configuration: an approval of one is an approval of the other.' : printable(summary)}\n`);
    for (const line of diffLinesForTerminal(changes)) io.out(`${line}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    io.err(`${error.message}\n`, error.code);
    return exitOf(error.code);
  }
}
