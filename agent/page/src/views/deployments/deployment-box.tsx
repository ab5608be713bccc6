import { useEffect, useRef } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { nothingLeft } from '../../../../src/domain/may-deploy.ts';
import type { DeploymentDetail } from '../../../../src/wire/deployments.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { Away } from '../../ui/away.tsx';
import { StateChip } from '../../ui/chip.tsx';
import { Notice, Pending } from '../../ui/notice.tsx';
import { PeopleNames, PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Standing } from '../../ui/standing.tsx';
import { Time } from '../../ui/time.tsx';
import { DeploymentActs } from './deployment-acts.tsx';
import { LetRun } from './let-run.tsx';

/** Who has deploy access; whom the rule names by name stands there once. */
function MayRun({ deployment: { deploy_access: words, deployers } }: { readonly deployment: DeploymentDetail }) {
  const named = new Set(deployers.map(({ username }) => username));
  const isNames = words.split(/, | or /).every((word) => named.has(word));
  if (deployers.length === 0) return <Shown text={words} />;
  return (
    <>
      <PeopleNames people={deployers} />
      {!isNames && (
        <>
          {' ('}
          <Shown text={words} />)
        </>
      )}
    </>
  );
}

function Rules({ deployment }: { readonly deployment: DeploymentDetail }) {
  return (
    <section aria-labelledby="deployment-rules">
      <h3 id="deployment-rules">Approvals</h3>
      {deployment.rules.length === 0 && (
        <p class="quiet">
          {nothingLeft(deployment.state) === null
            ? 'No approval is asked for: whoever may deploy runs it.'
            : 'No approval was asked for: whoever could deploy ran it.'}
        </p>
      )}
      <ul class="plain-list">
        {deployment.rules.map((rule) => (
          <li key={`${rule.name} ${rule.asked}`}>
            <strong>
              <Shown text={rule.name} />
            </strong>
            : {rule.have} of {rule.need}
            {rule.voted.length > 0 && (
              <>
                , by <PeopleNames people={rule.voted} />
              </>
            )}
            {rule.have < rule.need && (
              <>
                {' '}
                from <Shown text={rule.who} />
                {rule.eligible.length > 0 && (
                  <>
                    ; can help: <PeopleNames people={rule.eligible} total={rule.eligible_count} />
                  </>
                )}
              </>
            )}
            {rule.mine && <span class="quiet"> · yours would count here</span>}
          </li>
        ))}
      </ul>
      {deployment.quorum !== null && (
        <p>
          <Shown text={deployment.quorum.words} />
        </p>
      )}
      <p class="quiet">
        {nothingLeft(deployment.state) === null ? 'Who may run it' : 'Who could run it'}:{' '}
        <MayRun deployment={deployment} />
      </p>
    </section>
  );
}

function Votes({ deployment }: { readonly deployment: DeploymentDetail }) {
  if (deployment.votes.length === 0) return null;
  return (
    <section aria-labelledby="deployment-votes">
      <h3 id="deployment-votes">Votes</h3>
      <ul class="plain-list">
        {deployment.votes.map((vote) => (
          <li key={`${vote.person.id} ${vote.at}`}>
            <PersonName person={vote.person} /> {vote.decision === 'approve' ? 'approved' : 'rejected'},{' '}
            <Time at={vote.at} />
            {vote.comment !== null && (
              <blockquote>
                <Shown text={vote.comment} />
              </blockquote>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Earlier({ deployment }: { readonly deployment: DeploymentDetail }) {
  if (deployment.earlier.length === 0) return null;
  return (
    <section aria-labelledby="deployment-earlier">
      <h3 id="deployment-earlier">Earlier runs of this job to this environment</h3>
      <ul class="plain-list">
        {deployment.earlier.map((one) => (
          <li key={one.id}>
            <Link href={`${pathOf('deployments')}?id=${one.id}`}>Deployment {one.id}</Link>{' '}
            <StateChip state={one.state} /> <code>{one.sha.slice(0, 12)}</code>, <Time at={one.created_at} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One deployment: what it waits for, who has said what, and what the reader may do. */
export function DeploymentBox({ id, onClose, onChanged }: { readonly id: number; onClose(): void; onChanged(): void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const found = useLoad(`deployment ${id}`, (signal) =>
    ask<DeploymentDetail>('GET', `deployments/${id}`, undefined, signal),
  );
  const isThere = found.value !== null;
  useEffect(() => {
    if (isThere) heading.current?.focus();
  }, [isThere]);
  if (found.value === null) return <Pending what={`deployment ${id}`} {...found} />;
  const deployment = found.value;
  const { environment, broken, hold, reason } = deployment;
  const changed = (): void => {
    found.again();
    onChanged();
  };
  return (
    <section class="box" aria-labelledby="deployment-title">
      <div class="title-row">
        <h2 id="deployment-title" ref={heading} tabIndex={-1}>
          Deployment {id} to <Shown text={environment.name} />
        </h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      <p>
        <Standing deployment={deployment} />
      </p>
      <p>
        <Shown text={deployment.job} /> of{' '}
        <Shown text={deployment.project_path ?? `project ${deployment.project_id}`} />, <Shown text={deployment.ref} />{' '}
        at <code>{deployment.sha.slice(0, 12)}</code>
      </p>
      {reason !== null && (
        <p>
          <Shown text={reason} />
        </p>
      )}
      {broken !== null && broken.lifted_at === null && (
        <Notice tone="bad">
          <PersonName person={broken.by} /> marked this commit as broken <Time at={broken.at} />:{' '}
          <Shown text={broken.reason} />. It is not deployed here until the mark is lifted.
        </Notice>
      )}
      {!deployment.is_protected && (
        <Notice tone="warn">
          Nothing protects this environment any more: this deployment keeps the rules it was opened with.
        </Notice>
      )}
      <LetRun deployment={deployment} />
      <p>
        {nothingLeft(deployment.state) === null || deployment.state === 'running' ? 'What it runs' : 'What it ran'}:{' '}
        <Link href={pathOf('hold', hold)}>hold {hold}, with its configuration</Link> ·{' '}
        <Away url={deployment.job_url}>job {deployment.job_id} in GitLab</Away> ·{' '}
        <Link href={`${pathOf('audit')}?deployment=${id}`}>its history</Link> ·{' '}
        <a href={`/api/v1/audit/bundle/deployments/${id}/page`} target="_blank" rel="noopener">
          evidence of deployment {id} for an auditor (opens in a new tab)
        </a>
      </p>
      <Rules deployment={deployment} />
      <Votes deployment={deployment} />
      <DeploymentActs deployment={deployment} onChanged={changed} />
      <Earlier deployment={deployment} />
    </section>
  );
}
