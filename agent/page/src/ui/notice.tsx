import type { ComponentChildren } from 'preact';

/** Something that must be read: a failure, a warning, or news. */
export function Notice({
  tone,
  children,
}: {
  readonly tone: 'bad' | 'warn' | 'news' | 'good';
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`notice notice-${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

const asBeginning = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

/** What is shown while the hub has not answered, and when it did not; `what` as it stands within a sentence. */
export function Pending({
  what,
  problem,
  again,
}: {
  readonly what: string;
  readonly problem: string | null;
  again(): void;
}) {
  if (problem === null)
    return (
      <p class="quiet" role="status">
        Reading {what} …
      </p>
    );
  return (
    <Notice tone="bad">
      <p>
        {asBeginning(what)} cannot be shown: {problem}
      </p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </Notice>
  );
}
