import type { Notice } from './notice.ts';
import { type Escalation, type NotifyPolicy, noticeFits } from './notify-policy.ts';

/** Something that waits, as a notice that would be sent of it. */
export interface Waiting {
  /** `review-12` or `deployment-7`. */
  readonly key: string;
  /** Epoch ms. */
  readonly since: number;
  readonly notice: Notice;
}

/** What has waited for longer than an escalation allows, each once for each escalation, the oldest first. */
export function escalationsDue(
  policy: Pick<NotifyPolicy, 'escalations'>,
  waiting: readonly Waiting[],
  now: number,
): readonly { readonly escalation: Escalation; readonly notice: Notice }[] {
  const oldest = [...waiting].sort((a, b) => a.since - b.since);
  return policy.escalations.flatMap((escalation) =>
    oldest
      .filter(({ since, notice }) => since + escalation.afterMs <= now && noticeFits(escalation.match, notice))
      .map(({ key, notice }) => ({
        escalation,
        notice: { ...notice, key: `escalation-${escalation.name}-${key}`, event: 'waits_long' as const, at: now },
      })),
  );
}
