import { isValid } from '../domain/approval.ts';
import { type HiddenValue, hiddenValues, type Sightedness, sightOfValues } from '../domain/blind.ts';
import type { Hold } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import type { EffectivePolicy } from '../domain/policy.ts';
import type { StoreReader } from '../ports/store.ts';
import { readConfiguration } from './nearest.ts';

/** A hidden value of a Hold, and whether an approver may let it pass. */
export interface HiddenOfHold {
  readonly name: string;
  readonly state: Sightedness;
  /** True for a name that changes how a runner or a shell behaves. */
  readonly behaviour: boolean;
}

/** How many approved configurations are looked through: what is not found among them has to be revealed again. */
const MAX_APPROVALS = 100;
/** How much text of them; a decision stays quick. */
const MAX_COMPARED_CHARS = 8 * 1024 * 1024;

/** Hidden values of everything that is approved for the Subject at present. */
export async function approvedValues(
  store: StoreReader,
  hold: Pick<Hold, 'subject'>,
  now: number,
): Promise<HiddenValue[]> {
  const values: HiddenValue[] = [];
  const seen = new Set<string>();
  let compared = 0;
  for (const approval of await store.approvalsOf(hold.subject, null, MAX_APPROVALS)) {
    if (seen.has(approval.digest) || !isValid(approval, now) || compared > MAX_COMPARED_CHARS) continue;
    seen.add(approval.digest);
    const configuration = await readConfiguration(store, approval.digest);
    if (configuration === null) continue;
    compared += (await store.configuration(approval.digest))?.length ?? 0;
    values.push(...hiddenValues(configuration));
  }
  return values;
}

/** Every value of a Hold that its form hides and that is not masked, and who or what has let it pass so far (T57). */
export async function hiddenOf(
  store: StoreReader,
  policy: EffectivePolicy,
  hold: Pick<Hold, 'id' | 'subject' | 'digest' | 'attempts'>,
  now: number,
): Promise<readonly HiddenOfHold[]> {
  return hiddenIn(store, policy, hold, now, await readConfiguration(store, hold.digest));
}

/** The same of a Hold whose Configuration was read already; null for one that the store does not have. */
export async function hiddenIn(
  store: StoreReader,
  policy: EffectivePolicy,
  hold: Pick<Hold, 'id' | 'subject' | 'digest' | 'attempts'>,
  now: number,
  configuration: JsonObject | null,
): Promise<readonly HiddenOfHold[]> {
  const hidden = configuration === null ? [] : hiddenValues(configuration);
  if (hidden.length === 0) return [];
  const facts = await store.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const revealed = await store.reveals(hold.subject, hold.digest);
  return sightOfValues(hidden, facts?.behaviour ?? [], {
    opaque: policy.opaque,
    revealed: revealed.map((each) => each.name),
    approved: await approvedValues(store, hold, now),
  });
}

/** Names that nobody has seen and nothing lets pass: they block an approve. */
export function blindNames(hidden: readonly HiddenOfHold[]): readonly string[] {
  return hidden.filter((each) => each.state === 'blind').map((each) => each.name);
}
