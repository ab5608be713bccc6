import { Link } from 'wouter-preact';
import type { InboxItemView } from '../../../../src/wire/inbox.ts';
import { pathOf } from '../../lib/paths.ts';
import { Chip } from '../../ui/chip.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** Time that is left when a Review is marked as about to expire. */
const SOON_MS = 24 * 3_600_000;

function ruleText(rules: InboxItemView['rules']): string {
  return rules.map(({ name, have, need }) => `${name} ${have}/${need}`).join(', ');
}

/** Where a Review is decided on: at its newest waiting Hold. */
export function pathOfItem(item: InboxItemView): string {
  return item.hold === null ? pathOf('review', item.review) : pathOf('hold', item.hold);
}

/** One Review in the inbox. */
export function ItemRow({
  item,
  isCurrent,
  now,
}: {
  readonly item: InboxItemView;
  readonly isCurrent: boolean;
  readonly now: number;
}) {
  const isSoon = item.expires_at !== null && Date.parse(item.expires_at) - now < SOON_MS;
  return (
    <div class={isCurrent ? 'item item-current' : 'item'} aria-current={isCurrent ? 'true' : undefined}>
      <div class="item-main">
        <Link href={pathOfItem(item)} class="item-title" id={`item-${item.review}`}>
          <Shown text={item.job} />
        </Link>{' '}
        <span class="quiet">
          <Shown text={item.project_path ?? `project ${item.project_id}`} />
        </span>
        <div class="item-summary">
          <Shown text={item.summary} />
        </div>
        <div class="item-facts quiet">
          <Shown text={item.ref} />
          {!item.ref_protected && <Chip tone="warn">not protected</Chip>}
          {item.environment !== null && (
            <Chip>
              to <Shown text={item.environment} />
            </Chip>
          )}
          <span>
            by <PersonName person={item.trigger} />
          </span>
        </div>
      </div>
      <div class="item-side">
        <span>
          {item.holds} {item.holds === 1 ? 'job waits' : 'jobs wait'}
        </span>
        <span>
          <Shown text={ruleText(item.rules)} />
        </span>
        <span class="quiet">
          <Time at={item.opened_at} />
        </span>
        {item.expires_at !== null && (
          <span class={isSoon ? 'soon' : 'quiet'}>
            {isSoon && 'soon: '}expires <Time at={item.expires_at} isDue />
          </span>
        )}
        {item.voted !== null && <Chip tone="plain">you have {item.voted === 'approve' ? 'approved' : 'rejected'}</Chip>}
      </div>
    </div>
  );
}
