import { useEffect, useState } from 'preact/hooks';
import type { ChangeGroupView } from '../../../../src/wire/approvals.ts';
import { lookAtAll, type Member } from './members.ts';

const NONE: readonly Member[] = [];

/** The questions of a change, as far as they have been looked at in this browser, in their order. */
export function useMembers(group: ChangeGroupView): readonly Member[] {
  const [found, setFound] = useState<{ readonly of: ChangeGroupView; readonly members: readonly Member[] } | null>(
    null,
  );
  useEffect(() => {
    const giveUp = new AbortController();
    const tell = (more: readonly Member[]): void =>
      setFound((old) => ({ of: group, members: [...(old?.of === group ? old.members : []), ...more] }));
    // What cannot be read is told in its row; only going away ends it.
    void lookAtAll(group, giveUp.signal, tell).catch(() => {});
    return () => giveUp.abort();
  }, [group]);
  return found?.of === group ? found.members : NONE;
}
