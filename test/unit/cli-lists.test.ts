import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { aHold, anApproval, configurationWith, type FakeHub, startFakeHub } from '../support/fake-hub.ts';

let hub: FakeHub;
beforeEach(async () => {
  hub = await startFakeHub();
});
afterEach(() => hub.close());

const run = (...argv: string[]) => runCli(argv, { env: { HOLDPOINT_HUB_URL: hub.url } });

const {
  configuration: _configuration,
  rules: _rules,
  renewed_by: _renewed,
  ...approval
} = anApproval(7, configurationWith(['make']));
const review = {
  id: 3,
  state: 'open',
  digest: aHold(1).digest,
  project_id: 42,
  project_path: 'acme/shop',
  job: 'deploy-production',
  ref: 'refs/tags/v1.4.2',
  environment: null,
  opened_at: '2026-11-22T07:00:00Z',
  closed_at: null,
  policy: 'sha256:policy',
  holds: [12, 13],
  votes: [],
  rules: [{ name: 'maintainers', need: 2, have: 1, eligible: [] }],
};
const token = {
  id: 2,
  name: 'laptop',
  owner: 'maria',
  owner_id: 21,
  scopes: ['read', 'approve'],
  made_by: [],
  created_at: '2026-11-22T02:00:00Z',
  expires_at: '2026-11-22T18:00:00Z',
  last_used_at: '2026-11-22T09:59:56Z',
  last_used_address: '127.0.0.1',
  last_used_client: 'holdpoint-cli',
  idle_ends_at: '2026-11-29T09:59:56Z',
  revoked_at: null,
  revoked_by: null,
  revoked_reason: null,
  replaced_by: null,
  valid: true,
  state: 'valid',
  flags: [],
  prefix: 'hp_BNshE',
};
const agent = {
  name: 'embedded',
  connected: true,
  since: '2026-11-22T02:28:00Z',
  version: '0.1.0',
  runners: [
    { name: 'prod-deployer-01', protected: true },
    { name: 'open', protected: false },
  ],
  parked: 2,
};

/** Path of a list, its items, the command line, and what is printed. */
const LISTS: readonly (readonly [string, object[], string[], string])[] = [
  [
    '/api/v1/reviews',
    [review, { ...review, id: 4, state: 'approved' }],
    ['reviews', 'list'],
    `ID  STATE  AGE  JOB                          REF         RULES            HOLDS
 3  open    3h  acme/shop deploy-production  tag v1.4.2  1/2 maintainers  12 13
`,
  ],
  [
    '/api/v1/approvals',
    [
      { ...approval, lifetime: 'until:2026-12-01T23:59:59.999Z' },
      { ...approval, id: 8, valid: false },
    ],
    ['approvals'],
    `ID  STATE  LIFETIME          USED    JOB                          REF   BY
 7  valid  until:2026-12-01  1d ago  acme/shop deploy-production  main  maria
`,
  ],
  [
    '/api/v1/approvals',
    [{ ...approval, id: 8, valid: false, revoked_at: '2026-11-22T09:00:00Z', revoked_by: 'maria', last_used_at: null }],
    ['approvals', 'list', '--all'],
    `ID  STATE    LIFETIME  USED   JOB                          REF   BY
 8  revoked  standing  never  acme/shop deploy-production  main  maria
`,
  ],
  [
    '/api/v1/tokens',
    [token, { ...token, id: 3, valid: false, state: 'revoked' }],
    ['token', 'list'],
    `ID  TOKEN     OWNER  STATE  ENDS   USED    FROM             SCOPES        NAME
 2  hp_BNshE  maria  valid  in 8h  4s ago  127.0.0.1 hold…  read approve  laptop
`,
  ],
  [
    '/api/v1/agents',
    [agent],
    ['agents'],
    `AGENT     LINK       SINCE  VERSION  PARKED  RUNNERS
embedded  connected     7h  0.1.0         2  prod-deployer-01, open (not gated)
`,
  ],
  [
    '/api/v1/agents',
    [
      {
        ...agent,
        name: 'build-1',
        snapshot: {
          seq: 41,
          heard_at: '2026-11-22T09:59:30Z',
          policy: `sha256:${'a'.repeat(64)}`,
          policy_in_force: false,
        },
        clock_skew_ms: -90_400,
        warnings: ["its clock is 90 seconds behind this hub's"],
      },
    ],
    ['agents'],
    `AGENT    LINK       SINCE  VERSION  PARKED  RUNNERS
build-1  connected     7h  0.1.0         2  prod-deployer-01, open (not gated)
build-1: snapshot 41, 30s old, policy sha256:aaaaaaaa (not in force), clock -90s
build-1: its clock is 90 seconds behind this hub's
`,
  ],
];

describe('the lists', () => {
  it.each(LISTS)('%s: %j %j', async (path, items, argv, expected) => {
    hub.lists.set(path, items);
    expect(await run(...argv)).toEqual({ exit: 0, out: expected, err: '' });
    for (const line of expected.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('say in words that they are empty, and what then', async () => {
    for (const [path, argv, words] of [
      ['/api/v1/reviews', ['reviews', 'list'], /^No Review is open\. "holdpoint reviews list --all" shows/],
      ['/api/v1/reviews', ['reviews', 'list', '--all'], /^No Review was ever opened\./],
      ['/api/v1/approvals', ['approvals'], /^No approval is valid: every job of a protected runner waits\./],
      ['/api/v1/tokens', ['token'], /^No token is valid\. "holdpoint token create" makes one\./],
      ['/api/v1/agents', ['agents'], /^The hub knows no agent: no job is held\./],
      ['/api/v1/audit', ['audit'], /^Nothing of the kind has happened yet\./],
    ] as const) {
      hub.lists.set(path, []);
      const { exit, out } = await run(...argv);
      expect(exit).toBe(0);
      expect(out).toMatch(words);
      expect(await run(...argv, '--json')).toEqual({ exit: 0, out: '{"items":[],"next_cursor":null}\n', err: '' });
    }
  });
});
