import type { Change } from '../../../../src/wire/api.ts';
import type { ListedApproval } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { Pending } from '../../ui/notice.tsx';
import { Shown, ShownLines } from '../../ui/shown.tsx';

interface Compared {
  readonly from: ListedApproval;
  readonly to: ListedApproval;
  readonly summary: string;
  readonly changes: readonly Change[];
}

function Side({ sign, text }: { readonly sign: 'before' | 'after'; readonly text: string | null }) {
  if (text === null) return null;
  return (
    <div class={`line line-${sign === 'before' ? 'removed' : 'added'}`}>
      <span class="sign">{sign === 'before' ? '−' : '+'}</span>
      <code>
        <ShownLines text={text} />
      </code>
    </div>
  );
}

/** How two approved configurations differ. */
export function CompareTwo({ from, to }: { readonly from: number; readonly to: number }) {
  const found = useLoad(`compare ${from} ${to}`, (signal) =>
    ask<Compared>('GET', `approvals/${from}/diff?with=${to}`, undefined, signal),
  );
  if (found.value === null) return <Pending what="the difference" {...found} />;
  const { summary, changes } = found.value;
  return (
    <section class="box" aria-labelledby="compare-title">
      <h2 id="compare-title">
        Approval {from} compared with approval {to}
      </h2>
      <p>
        <Shown text={changes.length === 0 ? 'One configuration: nothing differs.' : summary} />
      </p>
      {changes.map((change) => (
        <div key={`${change.path} ${change.kind}`} class="change">
          <h3>
            <Shown text={change.words} />
          </h3>
          <p class="quiet">
            <Shown text={change.path} />
          </p>
          <Side sign="before" text={change.before} />
          <Side sign="after" text={change.after} />
        </div>
      ))}
    </section>
  );
}
