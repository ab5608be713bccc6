import { useMemo, useRef, useState } from 'preact/hooks';
import type { HoldDetail, HoldView } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { useLoad } from '../../lib/load.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { choicesOf, readBaseline, usualChoice } from './baselines.ts';
import { Cannot } from './cannot.tsx';
import { Decide } from './decide.tsx';
import { Diff } from './diff.tsx';
import { Digest } from './digest.tsx';
import { type Baseline, type Examined, examine } from './examine.ts';
import { Flags } from './flags.tsx';
import { HiddenDiff } from './hidden-diff.tsx';
import { HiddenValues } from './hidden-values.tsx';
import { NotCovered } from './not-covered.tsx';
import { Ping } from './ping.tsx';
import { Rules } from './rules.tsx';
import { useSeen, WatchSeen } from './seen.tsx';
import { TakenIn } from './taken-in.tsx';

/** Whether anything differs, and whether that is still to come. */
function titleOf({ state, diff }: HoldDetail, examined: Extract<Examined, { kind: 'checked' | 'hidden' }>): string {
  const count =
    examined.kind === 'checked' ? examined.sections.reduce((sum, one) => sum + one.changed, 0) : diff.changes.length;
  const isOpen = state === 'waiting_for_approval';
  if (count === 0) return isOpen ? 'What would run: nothing differs' : 'What it was: nothing differs';
  return isOpen ? 'What would change' : 'What was different';
}

/** A Hold as people decide on it: what changed first, then who may decide, what is not covered, and the decision. */
export function Review({
  hold,
  background,
  stopped,
  onChanged,
  onDecided,
}: {
  readonly hold: HoldDetail;
  readonly background: BackgroundView | null;
  /** Why nothing can be decided any more; null: it can. */
  readonly stopped: string | null;
  /** Something of the Hold is another thing now, by what was done here. */
  onChanged(): void;
  onDecided(after: HoldView | null): void;
}) {
  const [choice, setChoice] = useState(() => usualChoice(hold));
  const baseline = useLoad<{ of: Baseline | null }>(choice, async (signal) => ({
    of: await readBaseline(choice, signal, hold.diff),
  }));
  const bar = useRef<HTMLElement>(null);
  const seen = useSeen(bar);
  const found = baseline.value;
  const isFirstTime = background?.first_time_author ?? null;
  const examined: Examined | null = useMemo(
    () => (found === null ? null : examine(hold, found.of, isFirstTime)),
    [hold.configuration, hold.digest, found, isFirstTime],
  );
  if (examined === null) return <Pending what="the configuration to compare with" {...baseline} />;
  if (examined.kind === 'wrong') {
    return (
      <Notice tone="bad">
        <p>
          <strong>Do not approve.</strong> {examined.words} Nothing of it can be approved from here.
        </p>
        <p>Tell whoever runs the hub, and name this Hold: {hold.id}.</p>
      </Notice>
    );
  }
  const digest = examined.kind === 'checked' ? examined.digest : null;
  const isOpen = hold.state === 'waiting_for_approval';
  return (
    <WatchSeen value={seen.watch}>
      <Cannot hold={hold} />
      <p class="verdict">
        <Shown text={examined.verdict} />
      </p>
      {examined.kind === 'checked' && <Flags flags={examined.flags} />}
      {hold.facts.warnings.length > 0 && (
        <ul class="warnings" aria-label="Warnings of the agent">
          {hold.facts.warnings.map((words) => (
            <li key={words}>
              <Shown text={words} />
            </li>
          ))}
        </ul>
      )}
      <HiddenValues hold={hold} digest={hold.may_vote.allowed ? digest : null} onRevealed={onChanged} />
      <div class="columns">
        <section aria-labelledby="diff-title" class="main-column">
          <h2 id="diff-title">{titleOf(hold, examined)}</h2>
          <div class="choice">
            <label for="baseline">Compared with</label>
            <select id="baseline" value={choice} onChange={(event) => setChoice(event.currentTarget.value)}>
              {choicesOf(hold, background).map(({ key, words }) => (
                <option key={key} value={key}>
                  {words}
                </option>
              ))}
            </select>
          </div>
          {examined.kind === 'checked' ? (
            <Diff
              key={`${digest} ${choice}`}
              sections={examined.sections}
              flags={examined.flags}
              configuration={examined.configuration}
            />
          ) : (
            <HiddenDiff changes={hold.diff.changes} />
          )}
          <TakenIn hold={hold} />
          <NotCovered hold={hold} configuration={examined.configuration} />
          {examined.kind === 'checked' && <Digest digest={examined.digest} configuration={examined.configuration} />}
        </section>
        <div class="side-column">
          <Rules hold={hold} />
          <Ping hold={hold} />
          {isOpen && (
            <Decide
              hold={hold}
              background={background}
              standing={{ stopped, digest, seen }}
              bar={bar}
              onDecided={onDecided}
            />
          )}
        </div>
      </div>
    </WatchSeen>
  );
}
