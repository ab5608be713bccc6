import { useSearchParams } from 'wouter-preact';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { session } from '../../lib/who.ts';
import { Notice } from '../../ui/notice.tsx';
import { Time } from '../../ui/time.tsx';

/** Why the way to GitLab and back did not retry anything; only codes are read of the address, since it may be anybody's text. */
function wordsFor(code: string): string {
  switch (code) {
    case 'forbidden':
      return 'GitLab named somebody else than you: sign in there as yourself, then try again.';
    case 'unauthenticated':
      return 'your sign-in here ended meanwhile: sign in, then try again.';
    case 'wrong_state':
      return 'there is nothing to be retried any more.';
    case 'ci_unreachable':
    case 'provider_unreachable':
      return 'GitLab could not be asked: try again in a moment.';
    default:
      return 'GitLab gave no token for it, or it was declined there.';
  }
}

/** Whose token a detached job was retried with last, and what became of a retry that the reader has just asked for. */
export function RetryOutcome({ hold }: { readonly hold: HoldDetail }) {
  const asked = useSearchParams()[0].get('retry');
  const last = hold.history.findLast(({ event }) => event === 'job_retried');
  const isMine = last !== undefined && last.detail.user === session.value?.person?.id;
  const whose =
    last?.detail.credential === 'trigger'
      ? isMine
        ? 'your own token, asked for then and given back'
        : `a token of user ${Number(last.detail.user)}, who triggered it`
      : 'the token of the project bot';
  return (
    <>
      {asked !== null && asked !== 'done' && <Notice tone="bad">Not retried: {wordsFor(asked)}</Notice>}
      {asked === 'done' && last === undefined && (
        <Notice tone="warn">Not retried yet: what has to happen stands above.</Notice>
      )}
      {last !== undefined && (
        <p class="quiet">
          GitLab made job {Number(last.detail.new_job_id)} of job {Number(last.detail.job_id)} <Time at={last.at} />,
          with {whose}. Nobody else’s was used.
        </p>
      )}
    </>
  );
}
