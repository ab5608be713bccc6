import { useState } from 'preact/hooks';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { Notice } from '../../ui/notice.tsx';

interface Pinged {
  readonly asked: readonly { readonly username: string }[];
  readonly channels: readonly string[];
}

function outcomeOf({ asked, channels }: Pinged): string {
  const names = asked.map(({ username }) => username).join(', ');
  if (names === '') return 'Nobody can help at present: above it says who can change that.';
  if (channels.length === 0) return `${names} can help, but no route of the policy tells them: ask them yourself.`;
  return `${names} can help and are asked.`;
}

/** Asks those who can still help; the hub says how often. */
export function Ping({ hold }: { readonly hold: HoldDetail }) {
  const [outcome, setOutcome] = useState<{ readonly isDone: boolean; readonly words: string } | null>(null);
  const [isBusy, setBusy] = useState(false);
  if (hold.state !== 'waiting_for_approval' || hold.frozen_until !== null) return null;
  const press = async (): Promise<void> => {
    setBusy(true);
    try {
      const words = outcomeOf(await ask<Pinged>('POST', `holds/${hold.id}/ping`, {}));
      setOutcome({ isDone: true, words });
      say(words);
    } catch (error) {
      setOutcome({ isDone: false, words: `Not asked: ${wordsOf(error)}` });
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="box">
      <button type="button" disabled={isBusy} onClick={press}>
        Ask for a decision
      </button>
      {outcome !== null && <Notice tone={outcome.isDone ? 'good' : 'bad'}>{outcome.words}</Notice>}
    </div>
  );
}
