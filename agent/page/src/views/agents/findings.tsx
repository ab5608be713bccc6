import type { AgentView } from '../../../../src/wire/api.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { Chip } from '../../ui/chip.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

type Examined = NonNullable<AgentView['examined']>;
type Row = NonNullable<Examined['findings']>[number];

const CHIPS = {
  fail: { tone: 'stop', word: 'To mend' },
  warn: { tone: 'warn', word: 'To look at' },
  skipped: { tone: 'plain', word: 'Not seen' },
  ok: { tone: 'go', word: 'Well' },
} as const;

function Finding({ row }: { readonly row: Row }) {
  const { tone, word } = CHIPS[row.status];
  return (
    <li>
      <Chip tone={tone}>{word}</Chip> <strong>{row.title}</strong>: <Shown text={row.message} />
      {row.mend !== null && (
        <div class="quiet">
          {row.status === 'skipped' ? 'To see it: ' : 'Mend: '}
          <Shown text={row.mend} />
        </div>
      )}
    </li>
  );
}

/** What an agent found on its own host, the worst first; how it can be mended is for those who administer. */
export function Findings({ agent }: { readonly agent: AgentView }) {
  const act = useAct();
  const { examined, name } = agent;
  const again = (): Promise<boolean> =>
    act.run(() => ask('POST', `agents/${encodeURIComponent(name)}/examine`, {}), 'The agent looks at its host again.');
  if (examined === null)
    return (
      <p class="quiet">
        {agent.connected ? 'It has not looked at its host yet.' : 'Its host is seen once it is back.'}
      </p>
    );
  const order = ['fail', 'warn', 'skipped', 'ok'] as const;
  const rows = examined.findings;
  const open = (rows ?? []).filter(({ status }) => status === 'fail' || status === 'warn');
  const rest = (rows ?? []).filter(({ status }) => status === 'skipped' || status === 'ok');
  const sorted = [...open].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  return (
    <div class="findings">
      <h3>Its host</h3>
      <p>
        {examined.fail} to mend, {examined.warn} to look at, {examined.skipped} not seen, {examined.ok} well, as of{' '}
        <Time at={examined.at} />
      </p>
      {rows === null ? (
        <p class="quiet">What it is, is shown to administrators and auditors.</p>
      ) : (
        <>
          <ul class="plain-list">
            {sorted.map((row) => (
              <Finding key={`${row.check} ${row.message}`} row={row} />
            ))}
          </ul>
          {rest.length > 0 && (
            <details>
              <summary>What is well, and what was not seen ({rest.length})</summary>
              <ul class="plain-list">
                {rest.map((row) => (
                  <Finding key={`${row.check} ${row.message}`} row={row} />
                ))}
              </ul>
            </details>
          )}
          {act.problem !== null && <Notice tone="bad">{act.problem}</Notice>}
          <button type="button" disabled={act.isBusy} onClick={again} aria-label={`Look again at the host of ${name}`}>
            Look again
          </button>
        </>
      )}
    </div>
  );
}
