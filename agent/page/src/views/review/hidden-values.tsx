import { useState } from 'preact/hooks';
import type { HoldDetail, RevealedValue } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { Chip } from '../../ui/chip.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown, ShownLines } from '../../ui/shown.tsx';

type Revealed = readonly RevealedValue[];

const STATES = {
  blind: ['stop', 'nobody has seen it'],
  revealed: ['go', 'was revealed to an approver'],
  approved: ['plain', 'was approved before'],
  opaque: ['plain', 'the policy lets it pass unseen'],
} as const;

/**
 * Values that the configuration does not show and that whoever started the pipeline may have typed. What is revealed lives
 * in this view alone: it is gone with it, and never stored (T32, T57).
 */
export function HiddenValues({
  hold,
  digest,
  onRevealed,
}: {
  readonly hold: HoldDetail;
  /** The one computed here; null: nothing can be asked for. */
  readonly digest: string | null;
  onRevealed(): void;
}) {
  const [values, setValues] = useState<Revealed | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  if (hold.hidden.length === 0) return null;
  const blind = hold.hidden.filter(({ state }) => state === 'blind').length;
  const reveal = async (): Promise<void> => {
    if (digest === null) return;
    setBusy(true);
    setProblem(null);
    try {
      const answer = await ask<{ values: Revealed }>('POST', `holds/${hold.id}/reveal`, { digest });
      setValues(answer.values);
      say(`${answer.values.length} hidden values are shown`);
      onRevealed();
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-labelledby="hidden-title" class="box">
      <h2 id="hidden-title">Hidden values</h2>
      {blind > 0 && (
        <Notice tone="warn">
          {blind === 1 ? 'A value' : `${blind} values`} of this job may have been typed by whoever started the pipeline,
          and nobody has seen {blind === 1 ? 'it' : 'them'}. It cannot be approved before.
        </Notice>
      )}
      <ul class="plain-list">
        {hold.hidden.map(({ name, state, behaviour }) => (
          <li key={name}>
            <code>
              <Shown text={name} />
            </code>{' '}
            <Chip tone={STATES[state][0]}>{STATES[state][1]}</Chip>
            {behaviour && <Chip tone="stop">changes how the runner or a shell behaves</Chip>}
            {values
              ?.filter((value) => value.name === name)
              .map(({ value, hidden }) => (
                <div key="value" class="revealed">
                  <code>
                    <ShownLines text={value} />
                  </code>
                  {hidden.length > 0 && (
                    <p class="quiet">
                      Secrets of others within it stay hidden: <Shown text={hidden.join(', ')} />
                    </p>
                  )}
                </div>
              ))}
          </li>
        ))}
      </ul>
      {problem !== null && <Notice tone="bad">Not revealed: {problem}</Notice>}
      {values === null && digest !== null && (
        <>
          <button type="button" disabled={isBusy} onClick={reveal}>
            {isBusy ? 'Asking the agent …' : 'Reveal'}
          </button>
          <span class="quiet"> That you have looked is written into the audit; the values are not.</span>
        </>
      )}
    </section>
  );
}
