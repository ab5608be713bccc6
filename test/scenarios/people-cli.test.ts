import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { policyWith, requestFor } from '../support/hub-world.ts';
import { DUTIES, groupRule } from '../support/story.ts';

describe('the command line says who may, and does what a vote needs', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
    hub.world.people = DUTIES;
    hub.world.policy = policyWith(
      { rules: [groupRule(700, 'security'), groupRule(800, 'qa')], rejectsRequired: 2 },
      'clash',
    );
    await hub.world.admit({ id: 1, by: 'zoe' });
  });
  afterEach(() => hub.close());
  const { digest } = requestFor({ id: 1 });

  const as = async (who: string, ...argv: readonly string[]) => {
    const token = await hub.token(who);
    return runCli(argv, {
      env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: token },
      now: hub.world.clock.now(),
    });
  };
  const rules = (page: string) => page.slice(page.indexOf('Rules\n'), page.indexOf('\nNot covered'));

  it('shows for each rule who it asks for, who voted, who could help, and what the reader could do', async () => {
    expect(rules((await as('sam', 'holds', 'show', '1')).out)).toBe(`Rules
  open  security: 0 of 1, members of security; can help: sam (SAM, user 70) and sue (SUE, user 71)
  open  qa: 0 of 1, members of qa; can help: quin (QUIN, user 80) and sam (SAM, user 70)
  0 of 2 rejects that end it
  It takes several people, for example quin and sam; these can help: quin, sam and sue.
  You may vote on it: an approve would count for security ("--as RULE" chooses: security, qa).
`);
    expect(rules((await as('maria', 'holds', 'show', '1')).out)).toContain(
      'You may not vote on it: you are a maintainer of this project, and the rules ask for members of security or members of qa: ask one of them. Ask quin (QUIN, user 80), sam (SAM, user 70) or sue (SUE, user 71).',
    );
  });

  it('votes for one rule, shows it, takes it back, and says what a rule is called that is not there', async () => {
    const wrong = await as('sam', 'approve', '1', '--digest', digest, '--as', 'ops');
    expect([wrong.exit, wrong.err]).toEqual([2, expect.stringContaining('there are "security", "qa"')]);
    const notMine = await as('sue', 'approve', '1', '--digest', digest, '--as', 'qa');
    expect([notMine.exit, notMine.err]).toEqual([5, expect.stringContaining('your vote can count for "security"')]);
    const voted = await as('sam', 'approve', '1', '--digest', digest, '--as', 'qa');
    expect([voted.exit, voted.out]).toEqual([0, expect.stringContaining('still needed: security 0 of 1')]);
    const page = rules((await as('sam', 'holds', 'show', '1')).out);
    expect(page).toContain('met  qa: 1 of 1, members of qa (sam (SAM, user 70))');
    expect(page).toContain(', for qa\n');
    expect(page).toContain('You have approved it; "holdpoint withdraw 1" takes that back.');
    expect(await as('sam', 'withdraw', '1', '--comment', 'not yet')).toMatchObject({
      exit: 0,
      out: 'hold 1 (build): waiting_for_approval; your vote is withdrawn\n',
    });
    expect(await as('sam', 'withdraw', '1')).toMatchObject({ exit: 4, out: '' });
    expect(await as('gus', 'withdraw', '1')).toMatchObject({ exit: 3, out: '' });
    const rows = await hub.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 50 });
    expect(rows.find(({ event }) => event === 'vote_withdrawn')?.detail).toMatchObject({
      person: 70,
      comment: 'not yet',
    });
  });

  it('T23 the API takes and tells the same: represented_as, withdraw, and nothing beside them', async () => {
    const sam = await hub.token('sam');
    const approve = (more: object) => hub.call('POST', '/api/v1/holds/1/approve', sam, { digest, ...more });
    expect((await approve({ represented_as: '' })).status).toBe(400);
    expect((await approve({ represented_as: 'qa' })).status).toBe(200);
    const shown = await hub.call('GET', '/api/v1/holds/1', sam);
    expect(shown.body.votes?.[0]).toMatchObject({ represented_as: 'qa', counts: true });
    expect(shown.body.may_vote).toMatchObject({ voted: 'approve', rule: null, rules: ['security', 'qa'] });
    const review = await hub.call('GET', '/api/v1/reviews/1', sam);
    expect(review.body.rules).toMatchObject([
      { have: 0, mine: false },
      { have: 1, voted: [{ username: 'sam' }] },
    ]);
    expect((await hub.call('POST', '/api/v1/holds/1/withdraw', sam, { vote: 1 })).status).toBe(400);
    expect((await hub.call('POST', '/api/v1/holds/1/withdraw', sam)).status).toBe(200);
    const read = await hub.token('sam', ['read']);
    expect((await hub.call('POST', '/api/v1/holds/1/withdraw', read)).status).toBe(403);
  });
});
