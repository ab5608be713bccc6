import { Link } from 'wouter-preact';
import { AUDIT_KINDS, eventWords } from '../../../../src/domain/audit-events.ts';
import type { AuditRow } from '../../../../src/wire/audit.ts';
import type { DeploymentDetail } from '../../../../src/wire/deployments.ts';
import { ask } from '../../lib/ask.ts';
import { useFilter } from '../../lib/filter.ts';
import { useLoad } from '../../lib/load.ts';
import { usePages } from '../../lib/pages.ts';
import { idIn, pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { session } from '../../lib/who.ts';
import { FilterForm, PROJECT_FIELD } from '../../ui/filter-form.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { ChainState } from './chain-state.tsx';

const KINDS = [['', 'everything'], ...AUDIT_KINDS.map((kind) => [kind, kind.replaceAll('_', ' ')] as const)] as const;

const FIELDS = [
  { name: 'event', label: 'What', options: KINDS },
  PROJECT_FIELD,
  { name: 'person', label: 'Person (user name or id)' },
  { name: 'hold', label: 'Hold' },
  { name: 'deployment', label: 'Deployment' },
  { name: 'since', label: 'From day', type: 'date' },
  { name: 'until', label: 'To day', type: 'date' },
] as const;

/** Who did it: `user:12 alice` is alice. */
const actorWords = (actor: string): string => actor.replace(/^user:\d+ /, '').replace(/^agent:/, 'agent ');

function About({ row }: { readonly row: AuditRow }) {
  return (
    <ul class="inline-list">
      {row.hold !== null && (
        <li>
          <Link href={pathOf('hold', row.hold)}>hold {row.hold}</Link>
        </li>
      )}
      {row.review !== null && (
        <li>
          <Link href={pathOf('review', row.review)}>review {row.review}</Link>
        </li>
      )}
      {row.deployment !== undefined && (
        <li>
          <Link href={`${pathOf('deployments')}?id=${row.deployment}`}>deployment {row.deployment}</Link>
        </li>
      )}
      {row.approval !== null && <li>approval {row.approval}</li>}
    </ul>
  );
}

function Row({ row }: { readonly row: AuditRow }) {
  return (
    <li>
      <div>
        <Time at={row.at} /> · <Shown text={actorWords(row.actor)} /> <Shown text={eventWords(row.event)} />
      </div>
      <About row={row} />
      <details>
        <summary>Row {row.seq}</summary>
        <dl class="facts">
          {(
            [
              ['event', row.event],
              ['actor', row.actor],
              ['address', row.address],
              ['client', row.client ?? null],
              ['digest', row.digest],
              ['policy', row.policy],
              ['detail', JSON.stringify(row.detail)],
              ['hash', row.hash],
            ] as const
          ).map(
            ([name, value]) =>
              value !== null && (
                <div key={name} class="fact">
                  <dt>{name}</dt>
                  <dd>
                    <code>
                      <Shown text={value} />
                    </code>
                  </dd>
                </div>
              ),
          )}
        </dl>
      </details>
    </li>
  );
}

/** What happened, newest first: who let what run, and why. */
export default function AuditView() {
  useTitle('Audit');
  const [filter, set, query] = useFilter(FIELDS.map(({ name }) => name));
  const of = idIn(filter.deployment);
  const found = useLoad(`deployment ${of}`, (signal) =>
    of === null ? Promise.resolve(null) : ask<DeploymentDetail>('GET', `deployments/${of}`, undefined, signal),
  );
  // What a deployment runs was approved before it was one: those rows tell of its hold, and every row of its own does too.
  const hold = filter.hold === '' ? (found.value?.hold ?? null) : null;
  const asked = new URLSearchParams(query);
  if (hold !== null) {
    asked.delete('deployment');
    asked.set('hold', String(hold));
  }
  const pages = usePages<AuditRow>(`audit?sort=desc${query === '' ? '' : `&${asked}`}`, 100);
  const scopes = session.value?.scopes ?? [];
  const mayExport = scopes.includes('admin') || scopes.includes('audit');
  return (
    <>
      <h1>{filter.deployment === '' || of === null ? 'Audit' : `Audit: deployment ${of}`}</h1>
      {of !== null && hold !== null && (
        <p>
          Of <Link href={`${pathOf('deployments')}?id=${of}`}>deployment {of}</Link>, with what happened to{' '}
          <Link href={pathOf('hold', hold)}>hold {hold}</Link>, which it runs.
        </p>
      )}
      {mayExport && <ChainState />}
      <FilterForm fields={FIELDS} values={filter} onChange={set} />
      {filter.hold !== '' && <Bundle things="holds" id={filter.hold} />}
      {filter.deployment !== '' && <Bundle things="deployments" id={filter.deployment} />}
      <ol class="timeline" aria-label="What happened">
        {pages.items.map((row) => (
          <Row key={row.seq} row={row} />
        ))}
      </ol>
      <MorePages pages={pages} what="The audit" none="Nothing of that has happened, or nothing that you may see." />
    </>
  );
}

/** All that is known of one thing, for an auditor: to be read, and to be checked without trusting the hub. */
function Bundle({ things, id }: { readonly things: 'holds' | 'deployments'; readonly id: string }) {
  if (!/^[1-9]\d{0,14}$/.test(id)) return null;
  const url = `/api/v1/audit/bundle/${things}/${id}`;
  return (
    <p class="box">
      Evidence of {things === 'holds' ? 'hold' : 'deployment'} {id}:{' '}
      <a href={`${url}/page`} target="_blank" rel="noopener">
        a page to read (opens in a new tab)
      </a>{' '}
      ·{' '}
      <a href={url} download={`${things === 'holds' ? 'hold' : 'deployment'}-${id}.bundle.json`}>
        the signed bundle
      </a>{' '}
      <span class="quiet">(check it with “holdpoint audit verify FILE”)</span>
    </p>
  );
}
