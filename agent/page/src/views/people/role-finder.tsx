import { useState } from 'preact/hooks';
import type { ExplanationView } from '../../../../src/wire/policy.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { Field } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** Who holds which role where, as the rules of one place know them. */
export function RoleFinder() {
  const [project, setProject] = useState('');
  const [found, setFound] = useState<ExplanationView | null>(null);
  const act = useAct();
  const look = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const query = new URLSearchParams({ project, job: 'any', ref: 'refs/heads/main' }).toString();
    await act.run(
      async () => setFound(await ask<ExplanationView>('GET', `policy/explain?${query}`)),
      'the rules are shown',
    );
  };
  return (
    <section class="box" aria-labelledby="roles-title">
      <h2 id="roles-title">Who may approve where</h2>
      <form class="filters" onSubmit={look}>
        <Field id="role-project" label="Project (path or id)" value={project} onChange={setProject} />
        <button type="submit" disabled={act.isBusy}>
          Show
        </button>
      </form>
      {act.problem !== null && <Notice tone="bad">Not found: {act.problem}</Notice>}
      {found !== null && (
        <ul class="plain-list">
          {found.rules.map((rule) => (
            <li key={rule.words}>
              <strong>
                <Shown text={rule.words} />
              </strong>
              :{' '}
              {rule.people === null ? (
                'people are not known here'
              ) : rule.people.length === 0 ? (
                'nobody at present'
              ) : (
                <Shown text={rule.people.join(', ')} />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
