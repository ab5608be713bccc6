import { Link } from 'wouter-preact';
import type { ListedApproval } from '../../../../src/wire/approvals.ts';
import { pathOf } from '../../lib/paths.ts';
import { Chip } from '../../ui/chip.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { ApprovedBy, Brief } from './brief.tsx';

function Standing({ approval }: { readonly approval: ListedApproval }) {
  if (approval.revoked_at !== null) return <Chip tone="stop">Revoked</Chip>;
  return approval.valid ? <Chip tone="go">In force</Chip> : <Chip>Over</Chip>;
}

/** How long it counts, in words that need no manual. */
function lifetimeWords({ lifetime, until, uses_left: left, hold }: ListedApproval): string {
  if (lifetime === 'run') return hold === null ? 'for one run' : `for hold ${hold} alone`;
  const uses = left === null ? '' : `${left} ${left === 1 ? 'run' : 'runs'} left`;
  if (until !== null) return [`until ${until.slice(0, 10)}`, uses].filter((part) => part !== '').join(', ');
  return uses === '' ? 'until revoked' : uses;
}

/** Where it lets it run: the ref stands there, the rest opens. */
function Scope({ words }: { readonly words: readonly string[] }) {
  const [first = '', ...more] = words;
  if (more.length === 0) return <Shown text={first} />;
  return (
    <details>
      <summary>
        <Shown text={first} />
      </summary>
      <ul class="plain-list">
        {more.map((one) => (
          <li key={one}>
            <Shown text={one} />
          </li>
        ))}
      </ul>
    </details>
  );
}

/** One approval of a job. */
export function ApprovalRow({
  approval,
  isChosen,
  onChoose,
  onRevoke,
}: {
  readonly approval: ListedApproval;
  readonly isChosen: boolean;
  onChoose(): void;
  onRevoke(): void;
}) {
  const { id, digest, valid, last_used_at: used, runners, times_used: times, revoker } = approval;
  return (
    <tr>
      <td>
        {id} <Standing approval={approval} />
        <div class="quiet">
          {approval.revoked_at === null ? (
            lifetimeWords(approval)
          ) : (
            <>
              by {revoker === null ? 'the system' : <PersonName person={revoker} />}, <Time at={approval.revoked_at} />
              {approval.revoked_reason !== null && (
                <>
                  : <Shown text={approval.revoked_reason} />
                </>
              )}
            </>
          )}
        </div>
      </td>
      <td>
        <Brief of={approval.summary} />
        <Scope words={approval.scope_words} />
        <code class="quiet" title={digest}>
          {digest.slice(0, 19)}…
        </code>{' '}
        <Link href={pathOf('review', approval.review)} aria-label={`How it was approved: approval ${id}`}>
          How it was approved
        </Link>
      </td>
      <td>
        <ApprovedBy approval={approval} />
        <div class="quiet">
          <Time at={approval.created_at} />
        </div>
      </td>
      <td title={runners.length === 0 ? undefined : `on ${runners.join(', ')}`}>
        {used === null ? 'never' : <Time at={used} />}
        <div class="quiet">
          {times} {times === 1 ? 'run' : 'runs'}
        </div>
      </td>
      <td>
        <div class="acts">
          <label class="tick">
            <input type="checkbox" checked={isChosen} onChange={onChoose} aria-label={`Compare approval ${id}`} />
            Compare
          </label>
          {valid && (
            <button type="button" class="danger" onClick={onRevoke} aria-label={`Revoke approval ${id}`}>
              Revoke
            </button>
          )}
        </div>
      </td>
    </tr>
  );
}
