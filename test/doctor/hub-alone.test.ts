import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKS } from '../../agent/src/domain/doctor/examine.ts';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { SCHEMA_VERSION } from '../../agent/src/stores/migrate.ts';
import { type DoctorHubHost, HUB_UID, openDoctorHubHost } from '../support/doctor-hub-host.ts';
import { freePort } from '../support/free-port.ts';
import { holdpoint } from '../support/holdpoint-process.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { rawDatabase } from '../support/raw-database.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string): string => join(ROOT, 'test/fixtures/tls', `${name}.pem`);
const YML = 'etc/holdpoint/hub.yml';
const DAY = 86_400_000;
/** When the certificates of the tests end. */
const CERTIFICATE_END = Date.parse('2126-10-29T02:37:42Z');

let host: DoctorHubHost;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  host = await openDoctorHubHost();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await host.close();
});

/** Depends on the machine that the tests run on; tried with made-up figures in test/unit/doctor.test.ts. */
const OF_THIS_MACHINE = ['disk', 'sync'];
const bad = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ check, status }) => (status === 'warn' || status === 'fail') && !OF_THIS_MACHINE.includes(check));
const of = (check: string, findings: readonly Finding[]): readonly Finding[] =>
  findings.filter((one) => one.check === check);
const hubTls = (): void => {
  host.put('etc/holdpoint/key.pem', readFileSync(fixture('key'), 'utf8'));
  host.edit(YML, /$/, `tls: { cert: ${fixture('cert')}, key: key.pem }\n`);
};

interface Fault {
  readonly what: string;
  /** What is spoilt, on a host whose hub is stopped; a promise is waited for. */
  plant(): unknown;
  /** The hub has run before. */
  readonly ran?: true;
  readonly now?: () => number;
  readonly check: string;
  readonly status: 'fail' | 'warn';
  readonly says: RegExp;
  readonly mend: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'a store of a newer program',
    ran: true,
    plant() {
      const store = rawDatabase(host.at('state/hub.sqlite'));
      store.exec('insert into schema_version (version) values (999)');
      store.close();
    },
    check: 'store',
    status: 'fail',
    says: new RegExp(`hub\\.sqlite has schema 999, this program knows up to ${SCHEMA_VERSION}`),
    mend: /newer program|backup/,
  },
  {
    what: 'a store of an older program',
    ran: true,
    plant() {
      const store = rawDatabase(host.at('state/hub.sqlite'));
      store.exec(`delete from schema_version where version = ${SCHEMA_VERSION}`);
      store.close();
    },
    check: 'store',
    status: 'warn',
    says: new RegExp(`this program writes ${SCHEMA_VERSION}`),
    mend: /backup/,
  },
  {
    what: 'a store that is no database any more',
    ran: true,
    plant: () => writeFileSync(host.at('state/hub.sqlite'), 'x'.repeat(10_000)),
    check: 'store',
    status: 'fail',
    says: /hub\.sqlite cannot be used \(SQLITE_NOTADB\)/,
    mend: /does not start/,
  },
  {
    what: 'a database server that is away',
    plant: async () => host.edit(YML, /$/, `store: postgres://holdpoint@127.0.0.1:${await freePort()}/holdpoint\n`),
    check: 'store',
    status: 'fail',
    says: /postgres:\/\/127\.0\.0\.1:\d+\/holdpoint cannot be used \(ECONNREFUSED\)/,
    mend: /does not start/,
  },
  {
    what: 'a certificate near its end',
    plant: hubTls,
    now: () => CERTIFICATE_END - 10 * DAY,
    check: 'certificate',
    status: 'warn',
    says: /cert\.pem ends on 2126-10-29, in 10 days/,
    mend: /renew/,
  },
  {
    what: 'a certificate that has ended',
    plant: hubTls,
    now: () => CERTIFICATE_END + DAY,
    check: 'certificate',
    status: 'fail',
    says: /cert\.pem ended on 2126-10-29: nobody reaches the hub/,
    mend: /renew/,
  },
  {
    what: 'a certificate for another name',
    plant() {
      hubTls();
      host.edit(YML, /external_url: .*/, 'external_url: https://holdpoint.example.com');
    },
    check: 'certificate',
    status: 'fail',
    says: /cert\.pem is not for holdpoint\.example\.com/,
    mend: /external_url/,
  },
  {
    what: 'an expired certificate at the proxy before it',
    async plant() {
      const proxy = createTlsServer({
        cert: readFileSync(fixture('expired')),
        key: readFileSync(fixture('key')),
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      closing.push(() => new Promise((resolve) => proxy.close(resolve)));
      const { port } = proxy.address() as AddressInfo;
      host.edit(YML, /external_url: .*/, `external_url: https://127.0.0.1:${port}`);
    },
    check: 'certificate',
    status: 'fail',
    says: /https:\/\/127\.0\.0\.1:\d+ ended on 2020-02-01/,
    mend: /renew/,
  },
  {
    what: 'a provider that is away',
    plant: () => host.provider.close(),
    check: 'sign_in',
    status: 'fail',
    says: /http:\/\/127\.0\.0\.1:\d+: the identity provider could not be asked about its configuration \(ECONNREFUSED\)/,
    mend: /hub\.oidc\.issuer/,
  },
  {
    what: 'a provider that has another name',
    plant: () => host.edit(YML, host.provider.issuer, `${host.provider.issuer.replace('127.0.0.1', 'localhost')}`),
    check: 'sign_in',
    status: 'fail',
    says: /answer is not what was asked for/,
    mend: /issuer/,
  },
  {
    what: 'a web hook that is away',
    plant: () => host.receiver.close(),
    check: 'channels',
    status: 'fail',
    says: /channel pager: cannot be reached \(ECONNREFUSED\)/,
    mend: /notify/,
  },
  {
    what: 'a password that the mail server does not take',
    plant: () => host.edit('etc/holdpoint/hub-credentials/mail.password', 'mail-pa55word', 'another-pa55word'),
    check: 'channels',
    status: 'fail',
    says: /channel mail: the mail server answered 535 \(EAUTH\)/,
    mend: /notify/,
  },
  {
    what: 'T24: a secret that others can read',
    plant: () => chmodSync(host.at('etc/holdpoint/hub-credentials/mail.password'), 0o644),
    check: 'secret_files',
    status: 'fail',
    says: /secret of channel mail .* has mode 0644/,
    mend: /chmod 600/,
  },
  {
    what: 'T20: a list of people that others can change',
    plant: () => chmodSync(host.at('etc/holdpoint/principals.yaml'), 0o666),
    check: 'secret_files',
    status: 'fail',
    says: /the list of people .* others on this host can change it/,
    mend: /chmod go-w/,
  },
  {
    what: 'T24: a state folder that others can look into',
    plant: () => chmodSync(host.at('state'), 0o755),
    check: 'state_dir',
    status: 'fail',
    says: /mode 0755/,
    mend: /chmod 700/,
  },
  {
    what: 'no backup for nine days',
    ran: true,
    plant: () => host.put('state/last-backup.json', JSON.stringify({ at: new Date(Date.now() - 9 * DAY) })),
    check: 'backup',
    status: 'warn',
    says: /the last backup is 9 days old/,
    mend: /holdpoint backup/,
  },
  {
    what: 'a clock that is off',
    plant: () => host.gitlab.clock.advance(5 * 60_000),
    check: 'clock',
    status: 'fail',
    says: /GitLab is (299|300|301) s ahead of this host/,
    mend: /chrony/,
  },
  {
    what: 'a policy with a mistake',
    plant: () => host.edit('etc/holdpoint/policy.yaml', 'access_level: maintainer', 'access_level: boss'),
    check: 'policy',
    status: 'fail',
    says: /policy\.yaml/,
    mend: /policy check/,
  },
  {
    what: 'a policy that does not do what its cases want',
    plant: () => host.edit('etc/holdpoint/policy.test.yaml', 'outcome: approved', 'outcome: waiting'),
    check: 'policy_tests',
    status: 'fail',
    says: /not as wanted: a colleague/,
    mend: /policy test/,
  },
  {
    what: 'T25: gitlab-runner on the host of the hub',
    plant: () => host.process(501, 0, ['gitlab-runner', 'run', '--config', '/etc/gitlab-runner/config.toml']),
    check: 'runner_process',
    status: 'warn',
    says: /process 501, .* beside the keys that approvals are signed with/,
    mend: /host of its own/,
  },
  {
    what: 'T24: another program as the user of the hub',
    plant: () => host.process(502, HUB_UID, ['/usr/bin/python3', 'x.py']),
    check: 'same_user',
    status: 'warn',
    says: /other processes run as holdpoint-hub: python3 \(502\)/,
    mend: /memory of the hub/,
  },
  {
    what: 'a hub.yml with a mistake',
    plant: () => host.edit(YML, 'listen:', 'lisen:'),
    check: 'configuration',
    status: 'fail',
    says: /lisen: unknown key; did you mean "listen"/,
    mend: /hub\.yml/,
  },
  {
    what: 'a hub that does not run',
    plant: () => {},
    check: 'hub',
    status: 'fail',
    says: /nothing answers as a hub at/,
    mend: /systemctl start holdpoint-hub/,
  },
];

describe('doctor, on a host that has a hub.yml and no agent.yml', () => {
  it('finds nothing to mend where all is well, tells nobody anything, and asks for no more than it says', async () => {
    await host.start();
    const before = readdirSync(host.at('state')).sort();
    const findings = await host.findings();
    const agentless = findings.filter(
      ({ message }) => message === `http://${new URL(host.url).host} knows no agent: nothing is guarded`,
    );
    expect(bad(findings).filter((one) => !agentless.includes(one))).toEqual([]);
    expect(of('store', findings)[0]?.message).toContain(`answers, schema ${SCHEMA_VERSION}`);
    expect(of('sign_in', findings)[0]?.message).toContain('answers as an OpenID provider');
    expect(of('channels', findings).map(({ message }) => message)).toEqual([
      'channel mail is reached',
      'channel pager is reached',
      'channel team is reached',
    ]);
    expect([host.receiver.posted, host.mail.mails]).toEqual([[], []]);
    // The hub itself writes down the end of its audit some time after its start.
    const names = readdirSync(host.at('state')).filter((name) => name !== 'audit-head.json');
    expect(names.sort()).toEqual(before.filter((name) => name !== 'audit-head.json'));
  });

  it('says in words of each check of agents that it is left out, and makes all others', async () => {
    await host.start();
    const findings = await host.findings();
    expect([...new Set(findings.map(({ check }) => check))]).toEqual(CHECKS.map(({ id }) => id));
    const left = CHECKS.filter(({ notOfHub }) => notOfHub !== null);
    expect(left.map(({ id }) => id)).toEqual([
      'gateway',
      'runner_address',
      'job_router',
      'runner_token',
      'same_tags',
      'clone_url',
      'job_network',
      'executors',
      'receipts',
      'executor_settings',
      'git',
    ]);
    for (const { id, notOfHub } of left)
      expect(of(id, findings)).toEqual([
        { check: id, status: 'skipped', message: notOfHub, mend: 'run "holdpoint doctor" on the host of each agent' },
      ]);
    const unseen = findings.filter(({ status, check }) => status === 'skipped' && !left.some(({ id }) => id === check));
    // The list of agents alone needs a token, which nobody has given.
    expect(unseen.map(({ check }) => check)).toEqual(['hub']);
  });

  it('leaves a stopped store to its user: what SQLite makes beside it is not of root', async () => {
    await host.start();
    await host.stop();
    await host.findings();
    const owners = readdirSync(host.at('state')).map((name) => statSync(host.at(`state/${name}`)).uid);
    expect(new Set(owners)).toEqual(new Set([HUB_UID]));
    await host.start();
  });
});

describe('doctor finds what is planted on the host of a hub', () => {
  it.each(FAULTS.map((fault) => [fault.what, fault] as const))('%s', async (_, fault) => {
    if (fault.ran) {
      await host.start();
      await host.stop();
    }
    await fault.plant();
    const findings = await host.findings(fault.now === undefined ? {} : { now: fault.now });
    const fits = of(fault.check, findings).filter(
      ({ status, message }) => status === fault.status && fault.says.test(message),
    );
    expect(fits, JSON.stringify(of(fault.check, findings), null, 1)).not.toEqual([]);
    expect(fits[0]?.mend).toMatch(fault.mend);
    for (const secret of host.secrets) expect(JSON.stringify(findings).includes(secret)).toBe(false);
  });

  it('a host with a hub that runs has none of it, so that each was found because it was planted', async () => {
    await host.start();
    const findings = await host.findings();
    for (const { check, status, says } of FAULTS)
      expect(of(check, findings).filter((one) => one.status === status && says.test(one.message))).toEqual([]);
  });
});

describe('doctor, with a hub on PostgreSQL', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  it('says its version and schema, that it is empty before, that it takes no writes, and that its backups are not seen', async () => {
    const { url } = await postgres.database();
    host.edit(YML, /$/, `store: ${url}\n`);
    expect(of('store', await host.findings())[0]).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/\(PostgreSQL \d+\.\d+\) answers and is empty/),
    });
    await host.start();
    await host.stop();
    const after = await host.findings();
    expect(of('store', after)[0]?.message).toMatch(new RegExp(`PostgreSQL .* answers, schema ${SCHEMA_VERSION}$`));
    expect(of('backup', after)[0]).toMatchObject({
      status: 'skipped',
      message: expect.stringContaining('those of PostgreSQL itself are not seen'),
      mend: expect.stringContaining('hub.key'),
    });
    const name = new URL(url).pathname.slice(1);
    await postgres.run(url, `alter database ${name} set default_transaction_read_only = on`);
    expect(of('store', await host.findings())[0]).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('takes no writes'),
    });
  });
});

describe('holdpoint doctor --hub-config, the built command', () => {
  it('looks at the hub, ends with 1 when something is to be mended, and is not asked of both at once', async () => {
    await host.start();
    const config = ['--hub-config', host.at(YML)];
    // Its secrets are credentials of the tests' own folder.
    const env = { CREDENTIALS_DIRECTORY: host.at('etc/holdpoint/hub-credentials') };
    chmodSync(host.at('state'), 0o755);
    const { code, out } = await holdpoint(['doctor', ...config, '--json'], env);
    const told = JSON.parse(out) as { ok: boolean; findings: (Finding & { title: string })[] };
    expect([code, told.ok]).toEqual([1, false]);
    expect(told.findings.filter(({ status }) => status === 'fail').map(({ check }) => check)).toContain('state_dir');
    expect(told.findings.find(({ check }) => check === 'certificate')?.title).toBe('Certificate of the hub');
    const both = await holdpoint(['doctor', ...config, '--runner-config', '/x'], env);
    expect([both.code, both.err]).toEqual([2, expect.stringContaining('ask for one of them')]);
  });
});
