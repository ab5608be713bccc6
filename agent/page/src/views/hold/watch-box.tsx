import { useEffect, useRef, useState } from 'preact/hooks';
import { namesInWords } from '../../../../src/domain/names.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { RecordingView, Stopped, WatchingView } from '../../../../src/wire/watching.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { attendJob } from '../../lib/live.ts';
import { say } from '../../lib/say.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { CommentField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { Player } from './player.tsx';

/** Watching a job while it runs, stopping it, and what was recorded of it; nothing where there is nothing of that. */
export function WatchBox({ hold, onWatching }: { readonly hold: HoldDetail; onWatching(): void }) {
  // Kept here: whoever has stopped a job is not offered to stop it any more, and has to read on that it runs.
  const [away, setAway] = useState<string | null>(null);
  const { watching } = hold;
  if (watching === null) return null;
  const isOver = hold.ended_at !== null;
  const isRunning = hold.state === 'running';
  const isLive = watching.four_eyes_live === 'required' && !isOver;
  const mayStop = isRunning && watching.may_stop.allowed && watching.stopped === null;
  if (!isLive && !mayStop && watching.stopped === null && watching.recordings.length === 0) return null;
  return (
    <section class="box" aria-labelledby="watch-title">
      <h2 id="watch-title">Watching</h2>
      {isLive && <Live hold={hold} watching={watching} onWatching={onWatching} />}
      {watching.stopped !== null && (
        <Notice tone="bad">
          {watching.stopped.by === null ? 'Stopped' : <Shown text={`Stopped by ${watching.stopped.by}`} />}{' '}
          <Time at={watching.stopped.at} />: <Shown text={watching.stopped.reason} />
        </Notice>
      )}
      {isRunning && away !== null && (
        <Notice tone="warn">
          <Shown
            text={`Agent ${away} is not connected: the job runs on until it is. To end it now, cancel it in GitLab.`}
          />
        </Notice>
      )}
      {mayStop && <StopJob hold={hold} onAway={setAway} />}
      {watching.recordings.map((recording) => (
        <Recorded key={recording.job_id} hold={hold.id} recording={recording} />
      ))}
    </section>
  );
}

/** The second pair of eyes: who there is, and oneself. */
function Live({
  hold,
  watching,
  onWatching,
}: {
  readonly hold: HoldDetail;
  readonly watching: WatchingView;
  onWatching(): void;
}) {
  const [state, setState] = useState<'off' | 'asked' | 'on'>('off');
  const [reason, setReason] = useState<string | null>(null);
  const leave = useRef<((leave: boolean) => void) | null>(null);
  useEffect(() => () => leave.current?.(false), []);
  const begin = (): void => {
    setState('asked');
    setReason(null);
    leave.current = attendJob(hold.id, (told) => {
      setState(told.on ? 'on' : 'off');
      setReason(told.reason);
      if (told.on) {
        say('You watch this job live');
        onWatching();
      } else {
        leave.current?.(false);
        leave.current = null;
      }
    });
  };
  const end = (): void => {
    leave.current?.(true);
    leave.current = null;
    setState('off');
  };
  const names = watching.watching.map(({ username }) => username).join(', ');
  const could = namesInWords(watching.could_watch.map(({ username }) => username));
  return (
    <>
      <p>
        Four eyes live:{' '}
        {hold.state === 'running'
          ? 'this job runs only while somebody else than who caused it watches it.'
          : 'once it is approved, this job starts when somebody else than who caused it watches it.'}{' '}
        {watching.watching.length} of {watching.needed} {watching.watching.length === 1 ? 'watches' : 'watch'}
        {names !== '' && (
          <>
            : <Shown text={names} />
          </>
        )}
        .
      </p>
      {watching.watching.length < watching.needed && (
        <p>
          Who can watch it: <Shown text={could || 'nobody at present, since whoever may approve it caused it'} />.
        </p>
      )}
      {reason !== null && <Notice tone="warn">{reason}</Notice>}
      {!watching.may_watch.allowed && state === 'off' && (
        <p class="quiet">
          <Shown text={`You cannot be the one: ${watching.may_watch.reason ?? ''}`} />
        </p>
      )}
      {watching.may_watch.allowed && state !== 'on' && (
        <button type="button" class="primary" disabled={state === 'asked'} onClick={begin}>
          Watch it live
        </button>
      )}
      {state === 'on' && (
        <p role="status">
          <strong>You watch it.</strong> Keep this page in front: when it is hidden or closed for some seconds and
          nobody else watches, the job is stopped.{' '}
          <button type="button" onClick={end}>
            {hold.state === 'running' && watching.watching.length <= watching.needed ? 'Leave, and stop it' : 'Leave'}
          </button>
        </p>
      )}
    </>
  );
}

/** Ends the job on its runner; what follows is said first. */
function StopJob({ hold, onAway }: { readonly hold: HoldDetail; onAway(agent: string | null): void }) {
  const [isOpen, setOpen] = useState(false);
  const [comment, setComment] = useState('');
  const act = useAct();
  const stop = async (): Promise<void> => {
    const body = { comment: comment.trim() };
    const done = await act.run(async () => {
      const { agent, agent_connected: isThere } = await ask<Stopped>('POST', `holds/${hold.id}/stop`, body);
      onAway(isThere ? null : agent);
    }, 'The job is stopped');
    if (done) setOpen(false);
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Stop the job
      </button>
      {isOpen && (
        <Dialog title={`Stop job ${hold.job_id}?`} onClose={() => setOpen(false)}>
          <p>
            Its runner ends it where it is, without after_script, and GitLab has it as failed. What it has done so far
            stays done.
          </p>
          <CommentField id="stop-comment" label="Why (its log tells it)" value={comment} onChange={setComment} />
          {act.problem !== null && <Notice tone="bad">Not stopped: {act.problem}</Notice>}
          <div class="buttons">
            <button type="button" class="danger" disabled={act.isBusy || comment.trim() === ''} onClick={stop}>
              Stop it
            </button>
            <button type="button" onClick={() => setOpen(false)}>
              Let it run
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function Recorded({ hold, recording }: { readonly hold: number; readonly recording: RecordingView }) {
  const { job_id: job, state, seconds, sha256, problem, keep_until: until } = recording;
  if (state === 'open') return <p class="quiet">Job {job} is being recorded.</p>;
  if (state === 'removed')
    return (
      <p class="quiet">The recording of job {job} was removed when its time was over; its hash is in the audit.</p>
    );
  return (
    <details>
      <summary>
        Recording of job {job}, {Math.round(seconds)} s
      </summary>
      {problem !== null && (
        <Notice tone="warn">
          <Shown text={`It is not whole: ${problem}`} />
        </Notice>
      )}
      <Player hold={hold} job={job} />
      <p class="quiet">
        SHA-256 <code>{sha256 ?? 'none'}</code>, as the audit has it
        {until !== null && (
          <>
            ; kept until <Time at={until} isDue />
          </>
        )}
        . <code>holdpoint holds recording {hold} -o FILE</code> takes it for asciinema.
      </p>
    </details>
  );
}
