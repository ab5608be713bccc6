import { useState } from 'preact/hooks';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

interface Report {
  readonly ok: boolean;
  readonly seq: number;
  readonly hash: string | null;
  readonly message: string | null;
}

/** Whether the chain in the store is whole; checked when somebody asks, since all of it is read for that. */
export function ChainState() {
  const [state, setState] = useState<{ readonly report: Report | null; readonly problem: string | null } | null>(null);
  const [isBusy, setBusy] = useState(false);
  const check = async (): Promise<void> => {
    setBusy(true);
    try {
      const report = await ask<Report>('GET', 'audit/verify');
      setState({ report, problem: null });
      say(report.ok ? 'the chain is whole' : 'the chain is broken');
    } catch (error) {
      setState({ report: null, problem: wordsOf(error) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="box" aria-labelledby="chain-title">
      <h2 id="chain-title">Whether the audit is whole</h2>
      <p>
        Each row holds the hash of the one before.{' '}
        <a href="/api/v1/audit/export" download="holdpoint-audit.jsonl">
          Export all of it
        </a>{' '}
        and check it elsewhere with “holdpoint audit verify FILE”.
      </p>
      <button type="button" disabled={isBusy} onClick={check}>
        {isBusy ? 'Checking …' : 'Check it here'}
      </button>
      {state?.problem != null && <Notice tone="bad">Not checked: {state.problem}</Notice>}
      {state?.report != null &&
        (state.report.ok ? (
          <Notice tone="good">
            Whole, up to row {state.report.seq}: <code>{state.report.hash}</code>
          </Notice>
        ) : (
          <Notice tone="bad">
            Broken at row {state.report.seq}: <Shown text={state.report.message ?? ''} />
          </Notice>
        ))}
    </section>
  );
}
