import { policyProblems } from '../domain/policy-problems.ts';
import { printable } from '../domain/printable.ts';
import type { PolicyParts } from './parts.ts';
import type { FileIo } from './payload-files.ts';
import { pathText, principalsFor, problemsOf, readPolicyAt } from './policy-files.ts';

interface Found {
  readonly severity: 'error' | 'warning';
  readonly line: number | null;
  readonly path: string | null;
  readonly message: string;
}
interface Checked {
  readonly file: string;
  /** Null where it cannot be read. */
  readonly version: string | null;
  readonly problems: readonly Found[];
}

async function check(
  file: string,
  io: FileIo,
  parts: PolicyParts,
  principals: string | undefined,
  channels: readonly string[] | null,
  now: number,
): Promise<Checked> {
  try {
    const { policy, line, has } = await readPolicyAt(io, parts, file);
    const people = await principalsFor(io, parts, file, principals);
    const problems = policyProblems(policy, { has, principals: people, channels, now }).map(
      ({ severity, path, message }) => ({
        severity,
        line: line(path),
        path: pathText(path),
        message,
      }),
    );
    return { file, version: policy.version, problems: [...problems].sort((a, b) => a.line - b.line) };
  } catch (error) {
    return {
      file,
      version: null,
      problems: problemsOf(error).map((text) => {
        const at = text.startsWith(`${file}:`) ? /^(\d+): /.exec(text.slice(file.length + 1)) : null;
        const message = at === null ? text : text.slice(file.length + 1 + at[0].length);
        return { severity: 'error', line: at === null ? null : Number(at[1]), path: null, message };
      }),
    };
  }
}

/**
 * `holdpoint policy check FILE…`: everything that is wrong with each file, with its line; 2 when something is. Warnings are
 * for people, and fail with `strict` alone.
 */
export async function checkCommand(
  files: readonly string[],
  options: {
    readonly principals?: string;
    /** Names with commas between. */
    readonly channels?: string;
    readonly strict?: boolean;
    readonly json: boolean;
    readonly now: number;
  },
  io: FileIo,
  parts: PolicyParts,
): Promise<number> {
  const channels =
    options.channels
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '') ?? null;
  const checked: Checked[] = [];
  for (const file of files) checked.push(await check(file, io, parts, options.principals, channels, options.now));
  const bad = checked.some(({ problems }) =>
    problems.some(({ severity }) => severity === 'error' || options.strict === true),
  );
  if (options.json) {
    io.out(`${JSON.stringify({ ok: !bad, files: checked })}\n`);
    return bad ? 2 : 0;
  }
  for (const { file, version, problems } of checked) {
    for (const { severity, line, path, message } of problems) {
      const where = line === null ? '' : `${file}:${line}: `;
      io.out(`${printable(`${where}${severity}: ${path === null || path === '' ? '' : `${path}: `}${message}`)}\n`);
    }
    if (problems.length === 0) io.out(`${printable(`${file}: nothing is wrong (version ${version})`)}\n`);
  }
  return bad ? 2 : 0;
}
