import { summarizeChanges } from '../domain/change-summary.ts';
import { type Change, diffConfigurations, SECTIONS } from '../domain/configuration-diff.ts';
import { effectivePolicy, type Policy } from '../domain/policy.ts';
import { printable, printableLines } from '../domain/printable.ts';
import { runValuesOf } from '../domain/run-values.ts';
import { relax, toleratedBetween } from '../domain/tolerate.ts';
import { variableTag } from '../domain/variable-tag.ts';
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
  files: 'Files of the repository',
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

/** What of the rest of the program `diff` needs. */
export interface DiffParts {
  readonly readPayload: PayloadReader;
  readonly jwksVerifier: VerifierOf;
  /** Null where no policy is given. */
  readonly readPolicy: ((text: string, name: string) => Policy) | null;
}
type Side = Extract<ReturnType<PayloadReader>, { readonly ok: true }>;

/** Whether a policy takes two payloads for alike, which of them decides, and what is tolerated then. */
interface Alike {
  readonly alike: boolean;
  readonly policy: string;
  readonly tolerated: readonly { readonly path: string; readonly why: string }[];
  /** Why not, where not: places that differ although everything tolerated is left out. */
  readonly words: string;
}

function alikeUnder(policy: Policy, file: string, before: Side, after: Side, key: Uint8Array | null): Alike {
  const { facts } = after;
  const { subject, place, projectPath } = targetOfFacts(facts);
  const here = effectivePolicy(policy, { ...subject, ...place, projectPath });
  const [was, is] = [before, after].map((side) =>
    relax(
      side.configuration,
      here.tolerance,
      runValuesOf(side.facts, here.opaque, (name, text) =>
        key === null ? null : variableTag(key, side.facts.project.id, name, text),
      ),
    ),
  );
  const equal = was!.text === is!.text;
  const tolerated = equal ? toleratedBetween(was!, is!) : [];
  const words = equal
    ? tolerated.length === 0
      ? 'alike: nothing has to be tolerated'
      : `alike: ${file} tolerates all that differs`
    : `not alike: ${file} does not tolerate all that differs`;
  return { alike: equal, policy: policy.version, tolerated, words };
}

function targetOfFacts(facts: Side['facts']) {
  return {
    subject: { projectId: facts.project.id, job: facts.job.name },
    place: { ref: facts.ref.full, refProtected: facts.ref.protected, environment: facts.environment?.name ?? null },
    projectPath: facts.project.path,
  };
}

/**
 * `holdpoint diff A B`: what changed from one payload to the other, and with a policy whether it takes them for alike.
 * Resolves to the exit code; a difference is no failure.
 */
export async function diffCommand(
  a: string,
  b: string,
  options: PayloadFileOptions & { readonly policy?: string },
  io: FileIo,
  { readPayload, jwksVerifier, readPolicy }: DiffParts,
): Promise<number> {
  try {
    const variableKey = await readVariableKey(io, options.variableKeyFile);
    const verifyIdToken = await readVerifier(io, options.jwks, jwksVerifier);
    const policy =
      readPolicy === null || options.policy === undefined
        ? null
        : readPolicy(new TextDecoder().decode(await readOrProblem(io, options.policy)), options.policy);
    const sides: Side[] = [];
    let exit = 0;
    for (const file of [a, b]) {
      const reading = readPayload(await readOrProblem(io, file), {
        instance: '',
        runner: '',
        variableKey,
        verifyIdToken,
      });
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
    const alike = policy === null ? null : alikeUnder(policy, options.policy ?? '', before, after, variableKey);
    if (options.json === true) {
      const side = (file: string, digest: string) => ({ file, digest });
      const said = { equal, before: side(a, before.digest), after: side(b, after.digest), summary, changes };
      io.out(`${JSON.stringify(alike === null ? said : { ...said, comparing: alike }, null, 2)}\n`);
      return 0;
    }
    io.out(`${before.digest}  ${printable(a)}\n${after.digest}  ${printable(b)}\n`);
    io.out(`${equal ? 'One configuration: an approval of one is an approval of the other.' : printable(summary)}\n`);
    if (alike !== null) {
      io.out(`For the policy they are ${printable(alike.words)}.\n`);
      for (const { path, why } of alike.tolerated) io.out(`  ${printable(path)}: ${printable(why)}\n`);
    }
    for (const line of diffLinesForTerminal(changes)) io.out(`${line}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    io.err(`${error.message}\n`, error.code);
    return exitOf(error.code);
  }
}
