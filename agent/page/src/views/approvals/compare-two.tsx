import { summarizeChanges } from '../../../../src/domain/change-summary.ts';
import { diffConfigurations } from '../../../../src/domain/configuration-diff.ts';
import { configurationRows, type SectionRows } from '../../../../src/domain/configuration-rows.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import { shownAs } from '../../../../src/domain/shown-configuration.ts';
import type { Change } from '../../../../src/wire/api.ts';
import type { ApprovalDetail } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Diff } from '../review/diff.tsx';
import { HiddenDiff } from '../review/hidden-diff.tsx';

/** `checked`: computed here from what the digests stand for; `hidden`: as the hub tells it to whom it hides values. */
type Compared =
  | {
      readonly kind: 'checked';
      readonly summary: string;
      readonly sections: readonly SectionRows[];
      readonly configuration: JsonObject;
    }
  | { readonly kind: 'hidden'; readonly summary: string; readonly changes: readonly Change[] }
  | { readonly kind: 'wrong'; readonly approval: number };

async function compare(from: number, to: number, signal: AbortSignal): Promise<Compared> {
  const read = async (id: number) => {
    const found = await ask<ApprovalDetail>('GET', `approvals/${id}`, undefined, signal);
    return { id, shown: shownAs(found.configuration, found.digest) };
  };
  const [one, other] = await Promise.all([read(from), read(to)]);
  for (const { id, shown } of [one, other]) if (shown.kind === 'wrong') return { kind: 'wrong', approval: id };
  if (one.shown.kind === 'checked' && other.shown.kind === 'checked') {
    const [before, after] = [one.shown.configuration, other.shown.configuration];
    return {
      kind: 'checked',
      summary: summarizeChanges(diffConfigurations(before, after), before, after),
      sections: configurationRows(before, after),
      configuration: after,
    };
  }
  const told = await ask<{ readonly summary: string; readonly changes: readonly Change[] }>(
    'GET',
    `approvals/${from}/diff?with=${to}`,
    undefined,
    signal,
  );
  return { kind: 'hidden', summary: told.summary, changes: told.changes };
}

function Difference({ of }: { readonly of: Compared }) {
  if (of.kind === 'wrong') {
    return (
      <Notice tone="bad">
        What the hub shows as approval {of.approval} does not have the digest it names: nothing is compared with it.
      </Notice>
    );
  }
  const isSame = of.kind === 'checked' ? of.sections.every(({ changed }) => changed === 0) : of.changes.length === 0;
  return (
    <>
      <p>
        <Shown text={isSame ? 'One configuration: nothing differs.' : of.summary} />
      </p>
      {of.kind === 'checked' ? (
        <Diff sections={of.sections} flags={[]} configuration={of.configuration} />
      ) : (
        <HiddenDiff changes={of.changes} />
      )}
    </>
  );
}

/** How two approved configurations differ, as a Hold shows it; in front of the list, which stays as it was. */
export function CompareTwo({ from, to, onClose }: { readonly from: number; readonly to: number; onClose(): void }) {
  const found = useLoad(`compare ${from} ${to}`, (signal) => compare(from, to, signal));
  return (
    <Dialog title={`Approval ${from} compared with approval ${to}`} onClose={onClose} isWide>
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Back to the list
        </button>
      </div>
      {found.value === null ? <Pending what="the difference" {...found} /> : <Difference of={found.value} />}
    </Dialog>
  );
}

/** Which two are compared, at the foot of the screen: what is ticked further up moves nothing. */
export function CompareBar({
  chosen,
  onCompare,
  onClear,
}: {
  readonly chosen: readonly number[];
  onCompare(): void;
  onClear(): void;
}) {
  const [first, second] = [...chosen].sort((a, b) => a - b);
  if (first === undefined) return null;
  return (
    <section class="act-bar" aria-label="Compare two">
      <div class="act-row">
        <span role="status">
          {second === undefined
            ? `Approval ${first} is chosen: tick the one to compare it with.`
            : `Approvals ${first} and ${second} are chosen.`}
        </span>
        {second !== undefined && (
          <button type="button" class="primary" onClick={onCompare}>
            Compare approvals {first} and {second}
          </button>
        )}
        <button type="button" onClick={onClear}>
          Choose none
        </button>
      </div>
    </section>
  );
}
