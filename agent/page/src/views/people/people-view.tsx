import type { GitlabTokenView, TokenView } from '../../../../src/wire/tokens.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { usePages } from '../../lib/pages.ts';
import { useTitle } from '../../lib/title.ts';
import { session } from '../../lib/who.ts';
import { Chip } from '../../ui/chip.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { Notice } from '../../ui/notice.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { MakeToken } from './make-token.tsx';
import { RoleFinder } from './role-finder.tsx';

function Row({ token, isBusy, onRevoke }: { readonly token: TokenView; readonly isBusy: boolean; onRevoke(): void }) {
  const { id, name, owner, prefix, scopes, valid, state, flags } = token;
  return (
    <tr>
      <td>
        <Shown text={name ?? 'without a name'} />
        <div class="quiet">
          <code>{prefix}…</code>
        </div>
      </td>
      <td>
        <Shown text={owner} />
      </td>
      <td>{scopes.join(', ')}</td>
      <td>
        {valid ? <Chip tone="go">Valid</Chip> : <Chip tone="stop">{state.replaceAll('_', ' ')}</Chip>}
        {flags.length > 0 && (
          <div>
            <Chip tone="warn">used like a job’s, {flags.length} times</Chip>
          </div>
        )}
        <div class="quiet">
          ends <Time at={token.expires_at} />
        </div>
      </td>
      <td>
        {token.last_used_at === null ? (
          'never'
        ) : (
          <>
            <Time at={token.last_used_at} />
            <div class="quiet">
              <Shown
                text={[token.last_used_address, token.last_used_client].filter((one) => one !== null).join(', ')}
              />
            </div>
          </>
        )}
      </td>
      <td>
        {valid && (
          <button type="button" class="danger" disabled={isBusy} onClick={onRevoke} aria-label={`Revoke token ${id}`}>
            Revoke
          </button>
        )}
      </td>
    </tr>
  );
}

/** Tokens of one's own (an administrator sees everybody's), GitLab's that the operator gave, and who holds which role where. */
export default function PeopleView() {
  useTitle('People and tokens');
  const pages = usePages<TokenView>('tokens', 100);
  const act = useAct();
  const isAdmin = session.value?.scopes.includes('admin') === true;
  const revoke = async ({ id }: TokenView): Promise<void> => {
    if (await act.run(() => ask('POST', `tokens/${id}/revoke`, {}), `token ${id} is revoked`)) pages.again();
  };
  const valid = pages.items.filter((token) => token.valid);
  const over = pages.items.filter((token) => !token.valid);
  return (
    <>
      <h1>People and tokens</h1>
      <section aria-labelledby="tokens-title">
        <h2 id="tokens-title">{isAdmin ? 'Tokens of everybody' : 'Your tokens'}</h2>
        {act.problem !== null && <Notice tone="bad">Not revoked: {act.problem}</Notice>}
        <WideTable label="Tokens" heads={['Name', 'Owner', 'What it may do', 'State', 'Last used', 'Change']}>
          {[...valid, ...over].map((token) => (
            <Row key={token.id} token={token} isBusy={act.isBusy} onRevoke={() => revoke(token)} />
          ))}
        </WideTable>
        <MorePages pages={pages} what="Tokens" none="You have no token." />
        <MakeToken onMade={pages.again} />
      </section>
      {isAdmin && <GitlabTokens />}
      <RoleFinder />
    </>
  );
}

/** GitLab's own tokens that the operator gave the hub; never their text. */
function GitlabTokens() {
  const found = useLoad('gitlab tokens', (signal) =>
    ask<{ readonly items: readonly GitlabTokenView[] }>('GET', 'tokens/gitlab', undefined, signal),
  );
  const items = found.value?.items ?? [];
  return (
    <section aria-labelledby="gitlab-title">
      <h2 id="gitlab-title">GitLab’s tokens that this hub uses</h2>
      {found.problem !== null && <Notice tone="bad">They cannot be shown: {found.problem}</Notice>}
      {found.value !== null && items.length === 0 && (
        <p class="quiet">None is set: nothing is done in GitLab in anybody’s name.</p>
      )}
      {items.map((token) => (
        <div key={token.setting} class="box">
          <h3>
            <code>{token.setting}</code>{' '}
            {token.valid ? <Chip tone="go">Valid</Chip> : <Chip tone="stop">{token.state.replaceAll('_', ' ')}</Chip>}
          </h3>
          <p>
            <Shown text={token.does} />
            {token.owner !== null && (
              <>
                {' '}
                In GitLab it says <PersonName person={token.owner} />.
              </>
            )}
          </p>
          <p class="quiet">
            Scopes {token.scopes.join(', ') || 'unknown'}; the least that does: {token.least_scopes.join(', ')}.
            {token.expires_at !== null && ` Ends on ${token.expires_at}.`}
          </p>
          {token.problems.map((problem) => (
            <Notice key={problem} tone="warn">
              <Shown text={problem} />
            </Notice>
          ))}
        </div>
      ))}
    </section>
  );
}
