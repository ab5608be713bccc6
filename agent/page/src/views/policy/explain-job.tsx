import { useEffect, useState } from 'preact/hooks';
import type { ExplanationView } from '../../../../src/wire/policy.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { useFilter } from '../../lib/filter.ts';
import { Field } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** What the policy says of one job, and which entry says it. */
export function ExplainJob() {
  const [filter, set, query] = useFilter(['project', 'job', 'ref', 'environment']);
  const [found, setFound] = useState<ExplanationView | null>(null);
  const act = useAct();
  const look = async (): Promise<void> => {
    await act.run(
      async () => setFound(await ask<ExplanationView>('GET', `policy/explain?${query}`)),
      'the policy is explained',
    );
  };
  // A link from a job comes with all of it.
  useEffect(() => {
    if (filter.project !== '' && filter.job !== '' && filter.ref !== '') void look();
  }, []);
  return (
    <section class="box" aria-labelledby="explain-title">
      <h2 id="explain-title">What holds for a job</h2>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <Field
          id="project"
          label="Project (path or id)"
          value={filter.project}
          onChange={(value) => set('project', value)}
        />
        <Field id="job" label="Job" value={filter.job} onChange={(value) => set('job', value)} />
        <Field
          id="ref"
          label="Ref, such as refs/heads/main"
          value={filter.ref}
          onChange={(value) => set('ref', value)}
        />
        <Field
          id="environment"
          label="Environment, if any"
          value={filter.environment}
          onChange={(value) => set('environment', value)}
        />
        <button type="submit" disabled={act.isBusy}>
          Explain
        </button>
      </form>
      {act.problem !== null && (
        <Notice tone="bad">
          Not explained: <Shown text={act.problem} />
        </Notice>
      )}
      {found !== null && (
        <ul class="plain-list">
          {found.lines.map((line) => (
            <li key={line}>
              <Shown text={line} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
