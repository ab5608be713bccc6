import { useEffect } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { BreakGlassView } from '../../../src/wire/break-glass.ts';
import { ask } from '../lib/ask.ts';
import { onLive } from '../lib/live.ts';
import { useLoad } from '../lib/load.ts';
import type { PageBody } from '../lib/pages.ts';
import { pathOf } from '../lib/paths.ts';
import { Notice } from './notice.tsx';

/** Leads to what was run without its approval; loud while somebody has yet to look at some of it. */
export function OpenGlasses() {
  const found = useLoad('open glasses', (signal) =>
    ask<PageBody<BreakGlassView>>('GET', 'break-glass?state=open&limit=100', undefined, signal),
  );
  const { again } = found;
  useEffect(() => onLive(({ type }) => (type === 'break_glass' || type === 'all') && again()), [again]);
  const count = found.value?.items.length ?? 0;
  const link = <Link href={pathOf('breakGlass')}>Break-glass</Link>;
  if (count === 0) return <p class="quiet">What was run without an approval stands under {link}.</p>;
  const many = found.value?.next_cursor === null ? count : `more than ${count}`;
  return (
    <Notice tone="warn">
      {many} {count === 1 ? 'run' : 'runs'} without an approval {count === 1 ? 'waits' : 'wait'} to be looked at: {link}
    </Notice>
  );
}
