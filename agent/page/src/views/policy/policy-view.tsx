import type { PolicyView as Policy } from '../../../../src/wire/policy.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { useTitle } from '../../lib/title.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { ExplainJob } from './explain-job.tsx';
import { ProposalBox } from './proposal-box.tsx';

function Settings({ settings }: { readonly settings: Policy['settings'] }) {
  return (
    <dl class="facts">
      {settings.map(({ key, words, line }) => (
        <div key={key} class="fact">
          <dt>
            <code>
              <Shown text={key} />
            </code>
          </dt>
          <dd>
            <Shown text={words} />
            {line !== null && <span class="quiet"> (line {line})</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Listed({ title, items }: { readonly title: string; readonly items: Policy['freeze'] }) {
  if (items.length === 0) return null;
  return (
    <section class="box" aria-label={title}>
      <h2>{title}</h2>
      <ul class="plain-list">
        {items.map(({ name, words, line }) => (
          <li key={name}>
            <strong>
              <Shown text={name} />
            </strong>
            : <Shown text={words} />
            {line !== null && <span class="quiet"> (line {line})</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The policy in force in words, what it says of one job, and what watching proposes. */
export default function PolicyView() {
  useTitle('Policy');
  const found = useLoad('policy', (signal) => ask<Policy>('GET', 'policy', undefined, signal));
  if (found.value === null) return <Pending what="the policy" {...found} />;
  const policy = found.value;
  return (
    <>
      <h1>Policy</h1>
      <p>
        {policy.file === null ? 'No file is set: what is shipped holds.' : <Shown text={policy.file} />}
        {policy.loaded_at !== null && (
          <>
            , read <Time at={policy.loaded_at} />
          </>
        )}
        . Version <code>{policy.version}</code>: it stands in every review, approval and audit row that it decides.
      </p>
      {policy.problem !== null && (
        <Notice tone="bad">
          The file as it is now is not used, the last good one is in force: <Shown text={policy.problem} />
        </Notice>
      )}
      <ExplainJob />
      <section class="box" aria-labelledby="everywhere-title">
        <h2 id="everywhere-title">Everywhere</h2>
        <Settings settings={policy.settings} />
      </section>
      {policy.entries.map((entry) => (
        <section key={entry.name} class="box" aria-label={entry.name}>
          <h2>
            <Shown text={entry.name} />
          </h2>
          <p>
            For <Shown text={entry.match} />
            {entry.line !== null && <span class="quiet"> (line {entry.line})</span>}; of several that fit, the first
            that says something decides.
          </p>
          <Settings settings={entry.settings} />
        </section>
      ))}
      <Listed title="Protected environments" items={policy.environments} />
      <Listed title="Freeze windows" items={policy.freeze} />
      <ProposalBox />
    </>
  );
}
