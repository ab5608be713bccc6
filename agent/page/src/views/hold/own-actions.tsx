import { useState } from 'preact/hooks';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { session } from '../../lib/who.ts';
import { Notice } from '../../ui/notice.tsx';
import { RetryOutcome } from './retry-outcome.tsx';

/** What one does with a job in GitLab in one's own name: cancel it, or have one's own detached job retried. */
export function OwnActions({ hold }: { readonly hold: HoldDetail }) {
  return (
    <>
      <RetryOutcome hold={hold} />
      <RetryAgain hold={hold} />
      <CancelJob hold={hold} />
    </>
  );
}

/** Cancels in GitLab with a token of the reader's own, which is sent once and kept nowhere. */
function CancelJob({ hold }: { readonly hold: HoldDetail }) {
  const [outcome, setOutcome] = useState<{ readonly isDone: boolean; readonly words: string } | null>(null);
  const [isBusy, setBusy] = useState(false);
  if (hold.ended_at !== null || hold.attempt === null) return null;
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget instanceof HTMLFormElement ? event.currentTarget : null;
    const token = form === null ? '' : String(new FormData(form).get('gitlab_token')).trim();
    setBusy(true);
    try {
      await ask('POST', `holds/${hold.id}/cancel`, token === '' ? {} : { gitlab_token: token });
      setOutcome({ isDone: true, words: 'GitLab cancels the job. The hold follows when GitLab says so.' });
      say('GitLab cancels the job');
    } catch (error) {
      setOutcome({ isDone: false, words: `Not canceled: ${wordsOf(error)}` });
    } finally {
      form?.reset();
      setBusy(false);
    }
  };
  return (
    <details class="box">
      <summary>Cancel job {hold.attempt.job_id} in GitLab</summary>
      <form onSubmit={submit} autocomplete="off">
        <label for="gitlab-token">A GitLab token of yours, scope api</label>
        <input id="gitlab-token" name="gitlab_token" type="password" autocomplete="off" spellcheck={false} />
        <p class="quiet">
          GitLab decides whether you may. The token is used for this once and kept nowhere; leave it empty where you
          have lent one.
        </p>
        {outcome !== null && <Notice tone={outcome.isDone ? 'good' : 'bad'}>{outcome.words}</Notice>}
        <button type="submit" class="danger" disabled={isBusy}>
          Cancel the job
        </button>
      </form>
    </details>
  );
}

/** Has one's own approved job retried with a token of one's own, which GitLab is asked for now and for this alone. */
function RetryAgain({ hold }: { readonly hold: HoldDetail }) {
  const [problem, setProblem] = useState<string | null>(null);
  const who = session.value;
  const provider = who?.ways.find((way) => way.kind === 'oidc');
  const isOwn = who?.person?.id === hold.trigger.id && hold.trigger.verified !== 'unverified';
  if (hold.retry?.by !== 'trigger' || !isOwn || provider === undefined) return null;
  const authorize = async (): Promise<void> => {
    try {
      const { url } = await ask<{ readonly url: string }>('POST', `holds/${hold.id}/retry/authorize`);
      location.assign(url);
    } catch (error) {
      setProblem(wordsOf(error));
    }
  };
  return (
    <section class="box" aria-labelledby="retry-title">
      <h2 id="retry-title">Have it retried</h2>
      <p>
        Your job is approved, and GitLab has ended it meanwhile. It is retried in your name, with a token of yours that{' '}
        {provider.name} is asked for now, that is used for this alone, and that is kept nowhere.
      </p>
      {problem !== null && <Notice tone="bad">{problem}</Notice>}
      <button type="button" class="primary" onClick={authorize}>
        Retry it with my own token
      </button>
    </section>
  );
}
