import { describe, expect, it } from 'vitest';
import type { Store } from '../../../agent/src/ports/store.ts';
import { statements } from '../../../agent/src/stores/migrations/0047-rows.ts';
import { hubWorld } from '../../support/hub-world.ts';

/** A store, and somebody with the database by hand. */
export interface UpgradedStore {
  open(): Promise<Store>;
  run(text: string): Promise<void>;
  remove(): Promise<void>;
}

/** The store as it was before its questions knew who had opened them. */
async function before(run: UpgradedStore['run']): Promise<void> {
  for (const statement of statements) {
    const index = /^create index (\w+)/.exec(typeof statement === 'string' ? statement : '')?.[1];
    if (index !== undefined) await run(`drop index ${index}`);
  }
  await run('alter table reviews drop column opened_by');
  await run('alter table reviews drop column words');
  await run('delete from schema_version where version = 47');
}

export function upgradeContract(name: string, make: () => Promise<UpgradedStore>): void {
  describe(`${name} from before questions knew who opened them`, () => {
    it('has what somebody opened among theirs once it is upgraded, and its words do not hide it', async () => {
      const under = await make();
      const older = await under.open();
      const world = await hubWorld({ store: older });
      await world.admit({ id: 1 });
      const [asked] = await older.reviews({ states: ['open'], sight: null }, { after: 0, limit: 10 });
      const { trigger } = asked!.requirement;
      await older.close();
      await before(under.run);
      const store = await under.open();
      const found = async (filter: { readonly openedBy?: number; readonly text?: string }) =>
        (await store.reviews({ states: ['open'], sight: null, ...filter }, { after: 0, limit: 10 })).map(
          ({ id }) => id,
        );
      const text = asked!.subject.job.toUpperCase();
      expect([await found({ openedBy: trigger.id! }), await found({ openedBy: trigger.id! + 1 })]).toEqual([
        [asked!.id],
        [],
      ]);
      // Its words are not there: whoever asks looks at it, as at each from before.
      expect(await found({ text })).toEqual([asked!.id]);
      await store.close();
      await under.remove();
    }, 20_000);
  });
}
