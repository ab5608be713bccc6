import { useEffect, useRef, useState } from 'preact/hooks';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { watchLog } from '../../lib/live.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import type { LogTerminal } from './terminal.ts';
import { type Lines, TerminalLines } from './terminal-lines.tsx';

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** What is shown of a log that is followed. */
interface Following {
  readonly lines: Lines;
  /** Why it is not followed; null while it is, or while nobody has said. */
  readonly reason: string | null;
  readonly isFollowed: boolean;
}

/** Follows a log; the terminal that reads it comes with the first that is looked at. */
function useLog(hold: number, job: number): Following {
  const [state, setState] = useState<Following>({ lines: [], reason: null, isFollowed: false });
  useEffect(() => {
    let terminal: LogTerminal | null = null;
    let isOver = false;
    let next: number | null = null;
    const queue: Uint8Array[] = [];
    const draw = (): void => {
      const of = terminal;
      if (of !== null && !isOver) setState((old) => ({ ...old, lines: of.lines() }));
    };
    const write = (bytes: Uint8Array): void => {
      if (terminal === null) queue.push(bytes);
      else terminal.write(bytes, draw);
    };
    import('./terminal.ts').then(({ LogTerminal: Made }) => {
      if (isOver) return;
      terminal = new Made();
      for (const bytes of queue.splice(0)) write(bytes);
    });
    const stop = watchLog(hold, (event) => {
      if (event.type === 'watching') {
        setState((old) => ({ ...old, isFollowed: event.on, reason: event.reason }));
        return;
      }
      if (event.job_id !== job) return;
      const bytes = bytesOf(event.chunk);
      const end = event.offset + bytes.length;
      // A runner sends again what it has no answer to.
      if (next !== null && end <= next) return;
      const fresh = next === null ? bytes : bytes.subarray(Math.max(0, next - event.offset));
      if (next !== null && event.offset > next)
        write(new TextEncoder().encode('\r\n[… some of the log was not told here …]\r\n'));
      next = end;
      write(fresh);
    });
    return () => {
      isOver = true;
      stop();
      terminal?.dispose();
    };
  }, [hold, job]);
  return state;
}

/** The log of a running job as it passes the gateway, from the moment it is looked at. */
export function LiveLog({ hold }: { readonly hold: HoldDetail }) {
  const { lines, reason, isFollowed } = useLog(hold.id, hold.job_id);
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (isAtEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines]);
  return (
    <section aria-labelledby="log-title" class="box">
      <h2 id="log-title">Log</h2>
      <p class="quiet" role="status">
        {reason !== null ? (
          <Shown text={reason} />
        ) : isFollowed ? (
          'Followed live from now on; what came before is in GitLab.'
        ) : (
          'Asking the agent …'
        )}
      </p>
      {(reason === null || lines.length > 0) && (
        <section
          ref={box}
          class="log"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
          tabIndex={0}
          aria-label="Log of the job"
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            isAtEnd.current = scrollTop + clientHeight >= scrollHeight - 4;
          }}
        >
          <TerminalLines lines={lines} />
        </section>
      )}
      {isFollowed && lines.length === 0 && <Notice tone="news">The runner has sent nothing since.</Notice>}
    </section>
  );
}
