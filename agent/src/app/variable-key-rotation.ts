import { type Approval, isValid } from '../domain/approval.ts';
import { isJsonList, isJsonObject, type Json } from '../domain/json.ts';
import { effectivePolicy, type Policy } from '../domain/policy.ts';
import { runValuesOf } from '../domain/run-values.ts';
import { relax, tolerates } from '../domain/tolerate.ts';
import type { StoreReader } from '../ports/store.ts';
import { targetOf } from './governing.ts';
import { readConfiguration } from './nearest.ts';

/** An approval, in a line. */
export interface TouchedApproval {
  readonly id: number;
  readonly project: string;
  readonly job: string;
  readonly ref: string;
  readonly environment: string | null;
}
/** What another variable key does to what is approved and to what waits. */
export interface VariableKeyImpact {
  /** Approvals of configurations without a hidden value: nothing changes. */
  readonly kept: number;
  /** Approvals whose hidden values the policy lets differ: their jobs pass as before. */
  readonly tolerated: readonly TouchedApproval[];
  /** Approvals that no job will have the digest of: each is asked for once more. */
  readonly lost: readonly TouchedApproval[];
  /** Remembered rejects in force whose digest has a hidden value in it. */
  readonly denials: readonly number[];
  /** Ids of Holds that are open and have such a digest: they stand in the way. */
  readonly open: readonly number[];
}

const AT_A_TIME = 500;

/** True where the form has an HMAC in it. */
export function hasHmac(value: Json): boolean {
  if (isJsonList(value)) return value.some(hasHmac);
  if (!isJsonObject(value)) return false;
  return Object.keys(value).some((name) => name === 'hmac' || hasHmac(value[name]!));
}

/** What another variable key would touch: no digest is computed, since the values are with the jobs alone. */
export async function variableKeyImpact(store: StoreReader, policy: Policy, now: number): Promise<VariableKeyImpact> {
  const hashed = new Map<string, boolean>();
  const isHashed = async (digest: string): Promise<boolean> => {
    const known = hashed.get(digest);
    if (known !== undefined) return known;
    const configuration = await readConfiguration(store, digest);
    // One that cannot be read may have any.
    const found = configuration === null || hasHmac(configuration);
    hashed.set(digest, found);
    return found;
  };
  let kept = 0;
  const [tolerated, lost]: [TouchedApproval[], TouchedApproval[]] = [[], []];
  for await (const approval of all((page) => store.approvals({ revoked: false, sight: null }, page))) {
    if (!isValid(approval, now) || approval.lifetime.kind === 'run') continue;
    if (!(await isHashed(approval.digest))) kept += 1;
    else ((await isTolerated(store, policy, approval)) ? tolerated : lost).push(touched(approval));
  }
  const open: number[] = [];
  const states = ['waiting_for_approval', 'pending'] as const;
  for await (const hold of all((page) => store.holds({ states, sight: null }, page)))
    if (await isHashed(hold.digest)) open.push(hold.id);
  const denials: number[] = [];
  for await (const denial of all((page) => store.denials({ sight: null }, page)))
    if (denial.lifted === null && denial.until > now && (await isHashed(denial.digest))) denials.push(denial.id);
  return { kept, tolerated, lost, denials, open };
}

async function* all<T extends { readonly id: number }>(
  read: (page: { readonly after: number; readonly limit: number }) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  for (let after = 0; ; ) {
    const page = await read({ after, limit: AT_A_TIME });
    if (page.length === 0) return;
    after = page.at(-1)!.id;
    yield* page;
  }
}

function touched({ id, subject, projectPath, place }: Approval): TouchedApproval {
  const project = projectPath ?? `project ${subject.projectId}`;
  return { id, project, job: subject.job, ref: place.ref, environment: place.environment };
}

/** True when nothing hidden is left of it once all is taken out that the policy lets differ. */
async function isTolerated(store: StoreReader, policy: Policy, approval: Approval): Promise<boolean> {
  const lasting = approval.lifetime.kind === 'standing' || approval.lifetime.kind === 'until';
  const { tolerance, opaque } = effectivePolicy(policy, targetOf(approval));
  if (!lasting || approval.votes.length === 0 || !tolerates(tolerance)) return false;
  const configuration = await readConfiguration(store, approval.digest);
  if (configuration === null) return false;
  const { text } = relax(
    configuration,
    tolerance,
    runValuesOf(null, opaque, () => null),
  );
  return !hasHmac(JSON.parse(text) as Json);
}
