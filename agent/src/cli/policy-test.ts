import { identified } from '../domain/commit-people.ts';
import { HoldpointError } from '../domain/errors.ts';
import {
  type CaseResult,
  caseFaults,
  type PolicyCase,
  runPolicyCase,
  type WrittenCase,
} from '../domain/policy-case.ts';
import type { Principals } from '../domain/principal.ts';
import { printable } from '../domain/printable.ts';
import { variableTag } from '../domain/variable-tag.ts';
import type { PayloadReader } from './digest.ts';
import type { PolicyParts } from './parts.ts';
import type { FileIo } from './payload-files.ts';
import { factsOfPayload, targetOfFacts } from './policy-explain.ts';
import { beside, problemsOf, readPolicyAt, textOf } from './policy-files.ts';

interface Ran {
  readonly name: string;
  readonly line: number;
  readonly faults: readonly string[];
  readonly result: CaseResult | null;
}
interface Tested {
  readonly file: string;
  readonly policy: string | null;
  readonly cases: readonly Ran[];
  /** Why the file, or one that it names, cannot be read. */
  readonly problems: readonly string[];
}
type Payloads = () => Promise<{ readonly readPayload: PayloadReader }>;

/** The key that hashes hidden values while cases run: only whether two are equal matters. */
const CASE_KEY = new Uint8Array(32);

async function caseOf(
  file: string,
  written: WrittenCase,
  principals: Principals,
  io: FileIo,
  payloads: Payloads,
): Promise<PolicyCase | string> {
  if (written.payload === null) return written.stated(principals);
  const { readPayload } = await payloads();
  const now = await factsOfPayload(beside(file, written.payload), io, readPayload);
  const approved =
    written.approved === null ? null : await factsOfPayload(beside(file, written.approved), io, readPayload);
  const { facts } = now;
  const { people } = facts.commit;
  return {
    name: written.name,
    at: written.at,
    target: targetOfFacts(facts),
    tier: facts.environment?.tier ?? null,
    opener: { trigger: facts.trigger, people: people && identified(people, principals.users) },
    timeoutS: facts.timeoutS,
    pushedBy: null,
    kind: written.kind,
    votes: written.votes,
    compared: approved && {
      approved,
      now,
      tag: (name, text) => variableTag(CASE_KEY, facts.project.id, name, text),
    },
    expect: written.expect,
  };
}

async function test(file: string, io: FileIo, parts: PolicyParts, payloads: Payloads): Promise<Tested> {
  try {
    const { policy: policyFile, principals: people, cases } = parts.readCases(await textOf(io, file), file);
    const { policy } = await readPolicyAt(io, parts, beside(file, policyFile));
    const peopleFile = beside(file, people);
    const principals = parts.readPrincipals(await textOf(io, peopleFile), peopleFile);
    const ran: Ran[] = [];
    for (const written of cases) {
      const { name, line } = written;
      const one = await caseOf(file, written, principals, io, payloads);
      if (typeof one === 'string') {
        ran.push({ name, line, faults: [one], result: null });
        continue;
      }
      const result = runPolicyCase(policy, principals, one);
      ran.push({ name, line, faults: caseFaults(result, one.expect), result });
    }
    return { file, policy: policy.version, cases: ran, problems: [] };
  } catch (error) {
    return { file, policy: null, cases: [], problems: problemsOf(error) };
  }
}

/** `holdpoint policy test FILE…`: runs the cases of each file; 1 when one is not as expected, 2 when a file cannot be read. */
export async function testCommand(
  files: readonly string[],
  json: boolean,
  io: FileIo,
  parts: PolicyParts,
  payloads: Payloads,
): Promise<number> {
  if (files.length === 0) throw new HoldpointError('bad_usage', 'which tests? Name files of policy cases');
  const tested: Tested[] = [];
  for (const file of files) tested.push(await test(file, io, parts, payloads));
  const failed = tested.flatMap(({ cases }) => cases).filter(({ faults }) => faults.length > 0).length;
  const unread = tested.some(({ problems }) => problems.length > 0);
  const exit = unread ? 2 : failed > 0 ? 1 : 0;
  if (json) {
    io.out(`${JSON.stringify({ ok: exit === 0, failed, files: tested })}\n`);
    return exit;
  }
  for (const { file, cases, problems } of tested) {
    io.out(`${printable(file)}\n`);
    for (const text of problems) io.out(`  ${printable(text)}\n`);
    for (const { name, line, faults } of cases) {
      io.out(`${printable(faults.length === 0 ? `  ok      ${name}` : `  FAILED  ${name} (line ${line})`)}\n`);
      for (const fault of faults) io.out(`            ${printable(fault)}\n`);
    }
  }
  const all = tested.reduce((sum, { cases }) => sum + cases.length, 0);
  io.out(`${all} ${all === 1 ? 'case' : 'cases'}, ${failed} failed\n`);
  return exit;
}
