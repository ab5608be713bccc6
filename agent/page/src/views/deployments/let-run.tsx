import { LET_RUN_WORDS } from '../../../../src/domain/who-let-run.ts';
import type { DeploymentDetail } from '../../../../src/wire/deployments.ts';
import { PeopleNames } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** Who let a deployment run, or has to: every name in one place. */
export function LetRun({ deployment }: { readonly deployment: DeploymentDetail }) {
  return (
    <section aria-labelledby="let-run-title">
      <h3 id="let-run-title">Who let this run</h3>
      <dl class="steps">
        {deployment.let_run.map(({ step, people, at, note }) => (
          <div key={step}>
            <dt>{LET_RUN_WORDS[step]}</dt>
            <dd>
              {people.length > 0 && (
                <strong>
                  <PeopleNames people={people} />
                </strong>
              )}
              {people.length === 0 && step !== 'ran' && 'nobody'}
              {at !== null && (
                <>
                  {' '}
                  <Time at={at} />
                </>
              )}
              {note !== null && (
                <span class="quiet">
                  {' '}
                  <Shown text={note} />
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
