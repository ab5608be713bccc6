import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type PolicyLook, type Seen, seen } from '../domain/doctor/observation.ts';
import type { Parts, PolicyParts } from './parts.ts';
import type { FileIo } from './payload-files.ts';
import { checkCommand } from './policy-check.ts';
import { problemsOf } from './policy-files.ts';
import { testCommand } from './policy-test.ts';

/** Cases are looked for under these names, beside the policy. */
const TESTS = /\.test\.ya?ml$/;

interface Checked {
  readonly files: readonly {
    readonly problems: readonly { readonly severity: string; readonly line: number | null; readonly message: string }[];
  }[];
}
interface Tested {
  readonly files: readonly {
    readonly cases: readonly { readonly name: string; readonly faults: readonly string[] }[];
    readonly problems: readonly string[];
  }[];
}

/** Runs a command that answers as JSON, and reads what it says. */
async function answerOf<T>(run: (io: FileIo) => Promise<number>): Promise<T> {
  let text = '';
  await run({
    out: (part) => {
      text += part;
    },
    err: () => {},
    readFile: (path) => readFile(path),
  });
  return JSON.parse(text) as T;
}

/** True for a policy that has `covered_files` for some job; one that cannot be read is told by other words. */
function coversFiles(text: string, name: string, policies: PolicyParts): boolean {
  try {
    const { base, entries } = policies.readPolicy(text, name);
    return [base, ...entries.map(({ settings }) => settings)].some((one) => (one.coveredFiles ?? []).length > 0);
  } catch {
    return false;
  }
}

/** The policy and the people of a configuration, and the cases beside the policy, as "policy check" and "policy test" find them. */
export async function lookAtPolicy(
  files: { readonly policy: string | null; readonly principals: string | null },
  now: number,
  parts: Pick<Parts, 'policies' | 'payloads'>,
): Promise<Seen<PolicyLook>> {
  const { policy, principals } = files;
  const policies = await parts.policies();
  if (policy === null) {
    const errors: string[] = [];
    try {
      if (principals !== null) policies.readPrincipals(await readFile(principals, 'utf8'), principals);
    } catch (error) {
      errors.push(...problemsOf(error));
    }
    return seen({ file: 'the policy as shipped', coversFiles: false, errors, warnings: [], tests: [] });
  }
  const options = { json: true, now, ...(principals === null ? {} : { principals }) };
  const { files: checked } = await answerOf<Checked>((io) => checkCommand([policy], options, io, policies));
  const found = checked.flatMap(({ problems }) => problems);
  const text = ({ line, message }: (typeof found)[number]): string =>
    line === null ? message : `${policy}:${line}: ${message}`;
  const cases = (await readdir(dirname(policy))).filter((name) => TESTS.test(name)).sort();
  const { files: tested } =
    cases.length === 0
      ? { files: [] }
      : await answerOf<Tested>((io) =>
          testCommand(
            cases.map((name) => join(dirname(policy), name)),
            true,
            io,
            policies,
            parts.payloads,
          ),
        );
  return seen({
    file: policy,
    coversFiles: coversFiles(await readFile(policy, 'utf8'), policy, policies),
    errors: found.filter(({ severity }) => severity === 'error').map(text),
    warnings: found.filter(({ severity }) => severity !== 'error').map(text),
    tests: tested.map(({ cases: ran, problems }, i) => ({
      file: join(dirname(policy), cases[i] ?? basename(policy)),
      cases: ran.length,
      failed: ran.filter(({ faults }) => faults.length > 0).map(({ name }) => name),
      problems,
    })),
  });
}
