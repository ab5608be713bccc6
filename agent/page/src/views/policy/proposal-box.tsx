import type { ProposalView } from '../../../../src/wire/proposal.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { Notice } from '../../ui/notice.tsx';
import { personText } from '../../ui/people.tsx';
import { Shown, ShownLines } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

const DAYS = 30;

/** What would have let through what ran on runners that only watch. */
export function ProposalBox() {
  const found = useLoad('proposal', (signal) => ask<ProposalView>('GET', `proposal?days=${DAYS}`, undefined, signal));
  const proposal = found.value;
  return (
    <section class="box" aria-labelledby="proposal-title">
      <h2 id="proposal-title">What watching proposes</h2>
      {found.problem !== null && <Notice tone="bad">It cannot be shown: {found.problem}</Notice>}
      {proposal !== null && proposal.runs.proposed === 0 && (
        <p class="quiet">
          In {DAYS} days nothing ran on a runner in mode monitor that would have waited on a protected ref.
        </p>
      )}
      {proposal !== null && proposal.runs.proposed > 0 && (
        <>
          <p>
            {proposal.runs.proposed} runs of {DAYS} days would have waited. {proposal.approvals.length} approvals
            {proposal.tolerate.length > 0 && ` and ${proposal.tolerate.length} pieces of policy`} would have let them
            through. Put the questions with “holdpoint approvals import”, or let the jobs come and decide on them
            together in the inbox.
          </p>
          <ul class="plain-list">
            {proposal.approvals.map((one) => (
              <li key={`${one.project_id} ${one.digest} ${one.environment}`}>
                <strong>
                  <Shown text={one.job} />
                </strong>{' '}
                of <Shown text={one.project_path ?? `project ${one.project_id}`} />, {one.runs} runs, the last{' '}
                <Time at={one.last_at} />, started by{' '}
                <Shown text={one.triggers.map((person) => personText({ ...person, name: null })).join(', ')} />
                <div class="quiet">
                  <Shown text={one.summary} />
                </div>
              </li>
            ))}
          </ul>
          {proposal.tolerate.map((one) => (
            <div key={`${one.project_id} ${one.job}`}>
              <h3>
                tolerate, for <Shown text={one.job} /> of{' '}
                <Shown text={one.project_path ?? `project ${one.project_id}`} />
              </h3>
              <pre>
                <ShownLines text={one.yaml} />
              </pre>
            </div>
          ))}
        </>
      )}
    </section>
  );
}
