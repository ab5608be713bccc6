import { describe, expect, it } from 'vitest';
import { type AuditEntry, type AuditRow, chain, EMPTY_HEAD, verifyChain } from '../../agent/src/domain/audit.ts';
import { START } from '../support/hub-world.ts';

const entry = (event: string): AuditEntry => ({
  at: START,
  actor: 'system',
  address: null,
  event,
  hold: 1,
  review: null,
  approval: null,
  digest: null,
  policy: null,
  detail: { event, nested: { b: 1, a: [null, true] } },
});
function rows(count: number): AuditRow[] {
  const out: AuditRow[] = [];
  for (let i = 0; i < count; i++) {
    const last = out.at(-1);
    out.push(chain(last === undefined ? EMPTY_HEAD : { seq: last.seq, hash: last.hash }, entry(`event ${i + 1}`)));
  }
  return out;
}
const good = rows(5);
const head = { seq: 5, hash: good[4]!.hash };
const without = (seq: number) => good.filter((row) => row.seq !== seq);
const changed = (seq: number, change: Partial<AuditRow>) =>
  good.map((row) => (row.seq === seq ? { ...row, ...change } : row));

describe('the audit chain', () => {
  it('verifies as it was written, and when it is empty', () => {
    expect(verifyChain(good, head)).toEqual({ ok: true, head });
    expect(verifyChain([], EMPTY_HEAD)).toEqual({ ok: true, head: EMPTY_HEAD });
  });

  it.each(['actor', 'event', 'at', 'address', 'hold', 'review', 'approval', 'digest', 'policy', 'detail'] as const)(
    'T34 finds a row whose %s was changed',
    (key) => {
      const other = {
        actor: 'x',
        event: 'x',
        at: START + 1,
        address: 'x',
        hold: 2,
        review: 2,
        approval: 2,
        digest: 'x',
        policy: 'x',
        detail: {},
      };
      expect(verifyChain(changed(3, { [key]: other[key] }), head)).toMatchObject({
        ok: false,
        fault: 'changed',
        seq: 3,
      });
    },
  );

  it('T34 finds a row that was changed and hashed again', () => {
    const forged = chain({ seq: 2, hash: good[1]!.hash }, { ...entry('event 3'), actor: 'user:1 mallory' });
    expect(
      verifyChain(
        good.map((row) => (row.seq === 3 ? forged : row)),
        head,
      ),
    ).toMatchObject({ ok: false, fault: 'changed', seq: 3 });
    const last = chain({ seq: 4, hash: good[3]!.hash }, entry('forged'));
    expect(verifyChain([...without(5), last], head)).toMatchObject({ ok: false, fault: 'changed', seq: 5 });
  });

  it('T34 finds a row that was removed, at the start, in the middle, at the end', () => {
    expect(verifyChain(without(1), head)).toMatchObject({ ok: false, fault: 'removed', seq: 1 });
    expect(verifyChain(without(3), head)).toMatchObject({ ok: false, fault: 'removed', seq: 3 });
    expect(verifyChain(without(5), head)).toMatchObject({ ok: false, fault: 'truncated', seq: 4 });
    expect(verifyChain(without(5), null)).toMatchObject({ ok: true });
  });

  it('T34 finds a row that was inserted, with and without renumbering, and one behind the end', () => {
    const twice = [...good.slice(0, 3), { ...good[2]!, event: 'x' }, ...good.slice(3)];
    expect(verifyChain(twice, head)).toMatchObject({ ok: false, fault: 'inserted', seq: 3 });
    const forged = chain({ seq: 2, hash: good[1]!.hash }, entry('forged'));
    const renumbered = [...good.slice(0, 2), forged, ...good.slice(2).map((row) => ({ ...row, seq: row.seq + 1 }))];
    expect(verifyChain(renumbered, head)).toMatchObject({ ok: false, seq: 4 });
    const behind = chain(head, entry('forged'));
    expect(verifyChain([...good, behind], head)).toMatchObject({ ok: false, fault: 'inserted', seq: 6 });
  });
});
