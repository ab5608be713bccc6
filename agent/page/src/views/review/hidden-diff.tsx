import type { Change } from '../../../../src/wire/api.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown, ShownLines } from '../../ui/shown.tsx';

/** The difference as the hub tells it to somebody from whom it hides values: nothing of it can be computed here. */
export function HiddenDiff({ changes }: { readonly changes: readonly Change[] }) {
  return (
    <>
      <Notice tone="news">Some values are hidden from you, so this is the difference as the hub tells it.</Notice>
      <div class="rows">
        {changes.map((change, index) => (
          <div key={`${index} ${change.path}`} class="change">
            {change.before !== null && (
              <div class="line line-removed">
                <span class="label">
                  <Shown text={change.path} />
                </span>
                <span class="sign" aria-hidden="true">
                  −
                </span>
                <span class="unseen">removed:</span>
                <code>
                  <ShownLines text={change.before} />
                </code>
              </div>
            )}
            {change.after !== null && (
              <div class="line line-added">
                <span class="label">{change.before === null && <Shown text={change.path} />}</span>
                <span class="sign" aria-hidden="true">
                  +
                </span>
                <span class="unseen">added:</span>
                <code>
                  <ShownLines text={change.after} />
                </code>
              </div>
            )}
          </div>
        ))}
      </div>
    </>
  );
}
