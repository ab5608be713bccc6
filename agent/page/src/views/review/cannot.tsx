import type { HoldDetail } from '../../../../src/wire/api.ts';
import { Notice } from '../../ui/notice.tsx';
import { PeopleNames } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { shortReason } from './why-not.ts';

/** Why the reader cannot approve it, and whom to ask by name: told once, before anything else. */
export function Cannot({ hold }: { readonly hold: HoldDetail }) {
  const { allowed, reason, ask, ask_count: count } = hold.may_vote;
  if (allowed || hold.state !== 'waiting_for_approval') return null;
  return (
    <Notice tone="news">
      You cannot approve it:{' '}
      <Shown text={(ask.length > 0 ? shortReason(reason) : reason) ?? 'the hub gives no reason'} />.
      {ask.length > 0 && (
        <>
          {' '}
          Ask <PeopleNames people={ask} total={count} word="or" />.
        </>
      )}
    </Notice>
  );
}
