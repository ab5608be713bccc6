import type { ComponentChildren } from 'preact';

/** What a chip's colour stands for; its text always says the same. */
export type Tone = 'wait' | 'go' | 'stop' | 'run' | 'plain' | 'warn';

/** A word in a frame. */
export function Chip({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: ComponentChildren }) {
  return <span class={`chip chip-${tone}`}>{children}</span>;
}

const STATES: Readonly<Record<string, readonly [Tone, string]>> = {
  waiting_for_approval: ['wait', 'Waiting for approval'],
  open: ['wait', 'Waiting for approval'],
  pending: ['go', 'Approved, waits for its runner'],
  approved: ['go', 'Approved'],
  running: ['run', 'Running'],
  success: ['go', 'Success'],
  failed: ['stop', 'Failed'],
  rejected: ['stop', 'Rejected'],
  expired: ['stop', 'Expired'],
  canceled: ['plain', 'Canceled'],
  blocked: ['wait', 'Blocked'],
  created: ['go', 'Approved, not started'],
};

/** The words of a state's chip, for sentences. */
export const stateWords = (state: string): string => STATES[state]?.[1] ?? state.replaceAll('_', ' ');

/** The state of a Hold, Review or Deployment in words; what waits is never green. */
export function StateChip({ state }: { readonly state: string }) {
  const [tone, words] = STATES[state] ?? (['plain', state] as const);
  return <Chip tone={tone}>{words}</Chip>;
}
