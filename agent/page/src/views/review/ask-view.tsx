import { useMemo, useState } from 'preact/hooks';
import { shownAs } from '../../../../src/domain/shown-configuration.ts';
import type { AskView as AskBody } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { useTitle } from '../../lib/title.ts';
import { Chip, StateChip } from '../../ui/chip.tsx';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { readBaseline } from './baselines.ts';
import { Diff } from './diff.tsx';
import { Digest } from './digest.tsx';
import { type Baseline, compared } from './examine.ts';
import { Flags } from './flags.tsx';
import { useSeen, WatchSeen } from './seen.tsx';

function kindWords({ kind, approval }: AskBody): string {
  switch (kind) {
    case 'import':
      return 'imported: no job waits';
    case 'renewal':
      return `whether approval ${approval} goes on`;
    case 'rename':
      return `whether approval ${approval} holds under another name`;
    default:
      return kind satisfies never;
  }
}

interface Found {
  readonly asked: AskBody;
  readonly baseline: Baseline | null;
}

async function read(id: number, signal: AbortSignal): Promise<Found> {
  const asked = await ask<AskBody>('GET', `reviews/${id}/ask`, undefined, signal);
  const baseline = asked.approval === null ? null : await readBaseline(`approval ${asked.approval}`, signal);
  return { asked, baseline };
}

/** A question that no job waits on: whether an approval shall go on, or whether what was imported may run. */
export function AskView({ id }: { readonly id: number }) {
  useTitle(`Review ${id}`);
  const found = useLoad(`ask ${id}`, (signal) => read(id, signal));
  if (found.value === null) return <Pending what={`review ${id}`} {...found} />;
  return <Asked key={found.value.asked.review.state} found={found.value} again={found.again} />;
}

function Asked({ found, again }: { readonly found: Found; again(): void }) {
  const { asked, baseline } = found;
  const { review } = asked;
  const seen = useSeen();
  const shown = useMemo(() => shownAs(asked.configuration, review.digest), [asked, review]);
  const looked = useMemo(
    () => (shown.kind === 'checked' ? compared(shown.configuration, baseline) : null),
    [shown, baseline],
  );
  return (
    <WatchSeen value={seen.watch}>
      <header class="head">
        <h1>
          <Shown text={review.job} />{' '}
          <span class="of">
            in <Shown text={review.project_path ?? `project ${review.project_id}`} />
          </span>
        </h1>
        <p>
          <StateChip state={review.state} /> <Chip>{kindWords(asked)}</Chip>
        </p>
        <p>
          <Shown text={review.ref} />
          {review.environment !== null && (
            <>
              , to <Shown text={review.environment} />
            </>
          )}
          , asked by <Shown text={asked.asked_by} />
          {asked.note !== null && (
            <>
              : <Shown text={asked.note} />
            </>
          )}
        </p>
      </header>
      {looked === null ? (
        <Notice tone={shown.kind === 'wrong' ? 'bad' : 'news'}>
          {shown.kind === 'wrong'
            ? 'Do not approve. The configuration that the hub shows does not have the digest it names.'
            : 'Some values are hidden from you: the digest cannot be computed from what is shown.'}
        </Notice>
      ) : (
        <>
          <p class="verdict">
            <Shown text={looked.verdict} />
          </p>
          <Flags flags={looked.flags} />
          <h2>What would run</h2>
          <Diff sections={looked.sections} flags={looked.flags} configuration={looked.configuration} />
          <Digest digest={looked.digest} configuration={looked.configuration} />
        </>
      )}
      <ul class="plain-list">
        {review.rules.map(({ name, have, need }) => (
          <li key={name}>
            <Shown text={name} /> {have} of {need}
          </li>
        ))}
      </ul>
      {review.state === 'open' && (
        <Answer
          asked={asked}
          digest={looked?.digest ?? null}
          unseen={seen.unseen}
          showNext={seen.showNext}
          onDone={again}
        />
      )}
    </WatchSeen>
  );
}

function Answer({
  asked,
  digest,
  unseen,
  showNext,
  onDone,
}: {
  readonly asked: AskBody;
  readonly digest: string | null;
  readonly unseen: number;
  showNext(): void;
  onDone(): void;
}) {
  const [comment, setComment] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const said = comment.trim();
  const blocked =
    digest === null
      ? 'the digest cannot be computed from what is shown to you'
      : !asked.may_vote.allowed
        ? (asked.may_vote.reason ?? 'the rules do not let you')
        : unseen > 0
          ? `${unseen} parts of it have not been on your screen`
          : null;
  const send = async (decision: 'approve' | 'reject'): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const body = { digest: digest ?? asked.review.digest, decision, ...(said === '' ? {} : { comment: said }) };
      await ask('POST', `reviews/${asked.review.id}/decide`, body);
      say(decision === 'approve' ? 'Your approve is recorded' : 'Your reject is recorded');
      onDone();
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-labelledby="decide-title" class="box decide">
      <h2 id="decide-title">Decide</h2>
      <label for="ask-comment">Comment</label>
      <textarea
        id="ask-comment"
        rows={2}
        maxLength={4_000}
        value={comment}
        onInput={(event) => setComment(event.currentTarget.value)}
      />
      {problem !== null && <Notice tone="bad">Not taken: {problem}</Notice>}
      <div class="buttons">
        <button
          type="button"
          class="primary"
          disabled={blocked !== null || isBusy}
          aria-describedby="ask-blocked"
          onClick={() => send('approve')}
        >
          Approve
        </button>
        <button type="button" class="danger" disabled={said === '' || isBusy} onClick={() => send('reject')}>
          Reject
        </button>
      </div>
      <p id="ask-blocked" class="quiet" role="status">
        {blocked !== null && (
          <>
            Approve is off: <Shown text={blocked} />.{' '}
            {unseen > 0 && (
              <button type="button" class="plain" onClick={showNext}>
                Show what was not seen
              </button>
            )}
          </>
        )}
        {said === '' && ' A reject needs a comment that says why.'}
      </p>
    </section>
  );
}
