import type { DenialView } from '../../../../src/wire/approvals.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { usePages } from '../../lib/pages.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';

/** Configurations that were rejected and are refused at once. */
export function Denials() {
  const pages = usePages<DenialView>('denials', 50);
  const act = useAct();
  const denials = pages.items.filter((one) => one.in_force);
  const lift = async ({ id }: DenialView): Promise<void> => {
    if (await act.run(() => ask('POST', `denials/${id}/lift`, {}), `denial ${id} is lifted`)) pages.again();
  };
  return (
    <section aria-labelledby="denials-title">
      <h2 id="denials-title">Rejected and remembered</h2>
      {act.problem !== null && <Notice tone="bad">Not lifted: {act.problem}</Notice>}
      {denials.length > 0 && (
        <WideTable label="Rejected and remembered" heads={['Job', 'Rejected by', 'Why', 'Until', 'Act']}>
          {denials.map((denial) => (
            <tr key={denial.id}>
              <td>
                <Shown text={denial.job} />
                <div class="quiet">project {denial.project_id}</div>
                <code title={denial.digest}>{denial.digest.slice(0, 19)}…</code>
              </td>
              <td>
                <Shown text={denial.by} />
              </td>
              <td>
                <Shown text={denial.reason} />
              </td>
              <td>
                <Time at={denial.until} />
              </td>
              <td>
                <button
                  type="button"
                  disabled={act.isBusy}
                  onClick={() => lift(denial)}
                  aria-label={`Lift denial ${denial.id}`}
                >
                  Lift
                </button>
              </td>
            </tr>
          ))}
        </WideTable>
      )}
      {denials.length === 0 && !pages.isLoading && pages.problem === null && (
        <p class="quiet">Nothing is refused at present.</p>
      )}
      {pages.problem !== null && <Notice tone="bad">Rejected ones cannot be shown: {pages.problem}</Notice>}
    </section>
  );
}
