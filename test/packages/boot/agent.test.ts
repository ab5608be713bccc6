import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../../support/fake-gitlab.ts';
import { freePort } from '../../support/free-port.ts';
import { bootMachine, type Machine } from '../../support/machine.ts';
import { builtPackages } from '../../support/packages.ts';
import { PRINCIPALS } from '../../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../../support/scripted-runner.ts';
import { ROOT } from '../../support/source-files.ts';

const MINUTE = 60_000;
const AGENT = 'holdpoint-agent.service';
const UNITS = `holdpoint-agent-gateway.socket holdpoint-agent-hub.socket ${AGENT}`;
const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let machine: Machine;
let gitlab: FakeGitlab;
let runnerToken: string;
let deb: string;
let gatewayPort: number;
let hubPort: number;
let maria: string;
const runners: ScriptedRunner[] = [];

/** One request on a connection of its own. */
function ask(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', reject);
  });
}

const install = (file: string) => {
  copyFileSync(file, join(machine.root, 'root/holdpoint.deb'));
  return machine.sh('dpkg --force-unsafe-io -i /root/holdpoint.deb');
};
const property = async (name: string, unit = AGENT) =>
  (await machine.sh(`systemctl show --property=${name} --value '${unit}'`)).trim();
const active = (unit = AGENT) => machine.until(`active ${unit}`, `systemctl is-active '${unit}'`, /^active/m);
const cli = async <T>(line: string, token: string): Promise<T> =>
  JSON.parse(
    await machine.sh(`HOLDPOINT_HUB_URL=http://127.0.0.1:${hubPort} HOLDPOINT_TOKEN=${token} holdpoint ${line} --json`),
  );

interface Hold {
  readonly id: number;
  readonly job_id: number;
  readonly state: string;
  readonly digest: string;
}
async function waiting(job: number): Promise<Hold> {
  for (let look = 0; look < 60; look++) {
    const { items } = await cli<{ items: Hold[] }>('holds list', maria);
    const hold = items.find((item) => item.job_id === job && item.state === 'waiting_for_approval');
    if (hold) return hold;
  }
  throw new Error(`job ${job} never waited for approval:\n${await machine.sh(`journalctl --no-pager -u ${AGENT}`)}`);
}
async function parked(): Promise<{ job: number; hold: Hold }> {
  const runner = poll();
  const job = gitlab.enqueue(fixture('deploy-production.run1'), { runner: runnerToken, user: zoe });
  const hold = await waiting(job);
  await runner.stop();
  return { job, hold };
}
function poll(): ScriptedRunner {
  const url = `http://127.0.0.1:${gatewayPort}`;
  const runner = startScriptedRunner({ url, token: runnerToken, version: '18.5', exec: 'none' });
  runners.push(runner);
  return runner;
}

beforeAll(async () => {
  ({ deb } = await builtPackages());
  machine = await bootMachine();
  gitlab = await startFakeGitlab({});
  runnerToken = gitlab.runnerToken('prod-deployer-01');
  gatewayPort = await freePort();
  hubPort = await freePort();
}, 10 * MINUTE);
afterAll(async () => {
  await Promise.all(runners.map((runner) => runner.stop()));
  await machine?.stop();
  await gitlab?.close();
}, MINUTE);

describe('the Debian package on a machine with systemd', { timeout: 3 * MINUTE }, () => {
  it('installs users, units and folders, and starts nothing that nobody has configured', async () => {
    await install(deb);
    expect(await machine.sh('getent passwd holdpoint holdpoint-hub')).toMatch(/nologin\n.*nologin\n/);
    expect(await machine.sh(`systemctl is-enabled ${UNITS}`, true)).toBe('disabled\ndisabled\ndisabled\n');
    expect(await machine.sh(`systemctl is-active ${UNITS}`, true)).toBe('inactive\ninactive\ninactive\n');
    expect((await machine.sh('stat -c "%a %U" /etc/holdpoint/credentials /var/lib/holdpoint')).trim()).toBe(
      '700 root\n700 holdpoint',
    );
    expect((await machine.sh('holdpoint --version')).trim()).toBe('0.1.0');
  });

  it('refuses to serve a socket that listens elsewhere than agent.yml says, and says what to change', async () => {
    machine.write('/etc/holdpoint/principals.yaml', PRINCIPALS);
    machine.write('/etc/holdpoint/credentials/prod-deployer-01.token', runnerToken, 0o600);
    await machine.sh('head -c 32 /dev/urandom > /etc/holdpoint/credentials/seal.key');
    machine.write(
      '/etc/holdpoint/agent.yml',
      `gitlab: { url: ${gitlab.url} }
gateway: { listen: 127.0.0.1:${gatewayPort} }
hub: { listen: 127.0.0.1:${hubPort} }
principals: principals.yaml
keys: { seal: credential:seal.key }
receipts: { socket: /run/holdpoint/receipts.sock, users: games, mode: '0666' }
runners:
  - { name: prod-deployer-01, token_file: credential:prod-deployer-01.token, protected: true }
`,
    );
    const other = await freePort();
    for (const [name, port] of [
      ['gateway', gatewayPort],
      ['hub', other],
    ] as const)
      machine.write(
        `/etc/systemd/system/holdpoint-agent-${name}.socket.d/address.conf`,
        `[Socket]\nListenStream=\nListenStream=127.0.0.1:${port}\n`,
      );
    await machine.sh(`systemctl daemon-reload; systemctl enable --now ${UNITS}`, true);
    const log = await machine.until('the refusal', `journalctl --no-pager -o cat -u ${AGENT}`, /hub\.listen/);
    expect(log).toContain(
      `the socket that systemd passes for hub.listen listens on 127.0.0.1:${other}, but hub.listen is 127.0.0.1:${hubPort}: change ListenStream= of the socket unit (systemctl edit --full) or hub.listen`,
    );
    await machine.sh(`systemctl stop ${UNITS}`, true);
    machine.write(
      '/etc/systemd/system/holdpoint-agent-hub.socket.d/address.conf',
      `[Socket]\nListenStream=\nListenStream=127.0.0.1:${hubPort}\n`,
    );
    await machine.sh('systemctl daemon-reload');
  });

  it('is started when it can serve and not before; its secrets are read by nobody but systemd and the service (T24, T25)', async () => {
    await machine.sh(`systemctl start ${UNITS}`);
    expect(await property('ActiveState')).toBe('active');
    expect(await property('StatusText')).toBe(
      `gateway http://127.0.0.1:${gatewayPort}, hub http://127.0.0.1:${hubPort}`,
    );
    expect(await ask(hubPort, '/readyz')).toBe(200);
    const read = (file: string) => machine.sh(`setpriv --reuid=nobody --clear-groups cat ${file}`, true);
    for (const folder of ['/etc/holdpoint/credentials', `/run/credentials/${AGENT}`, '/var/lib/holdpoint'])
      expect(await read(`${folder}/*`)).toMatch(/Permission denied|No such file/);
    // What was given is what is used: no key was made in the state.
    expect(await machine.sh('ls /var/lib/holdpoint')).not.toContain('seal.key');
    const status = await machine.sh('cat /proc/$(systemctl show --property=MainPID --value holdpoint-agent)/status');
    expect(status).toMatch(/CapBnd:\s+0+\n/);
    expect(status).toMatch(/NoNewPrivs:\s+1\n/);
    expect(status).toMatch(/Seccomp:\s+2\n/);

    const log = await machine.sh(`journalctl --no-pager -o cat -u ${AGENT}`);
    const first = /HOLDPOINT_TOKEN=(hp_[A-Za-z0-9_-]+)/.exec(log)?.[1] ?? '';
    ({ token: maria } = await cli<{ token: string }>('token create --user maria --scope read approve admin', first));
  });

  it('T26: tells receipts to whom the kernel names, under everything that its unit takes from it', async () => {
    const receipts = (user: string) =>
      machine.sh(`setpriv --reuid=${user} --regid=${user} --clear-groups holdpoint receipt list 2>&1; echo "exit $?"`);
    expect(await machine.sh('stat -c "%a %F" /run/holdpoint /run/holdpoint/receipts.sock')).toBe(
      '711 directory\n666 socket\n',
    );
    expect(await receipts('games')).toMatch(/exit 0\n$/);
    expect(await receipts('mail')).toMatch(/receipts\.users[\s\S]*exit [1-9]\n$/);
  });

  it('brings the native parts that executors need, and they run on its Node', async () => {
    const program = `
      const { spawn } = require('node-pty'), koffi = require('koffi'), Docker = require('dockerode');
      const pid = koffi.load('libc.so.6').func('int getpid()')();
      new Docker({ socketPath: '/none' }).ping().catch((error) => {
        const shell = spawn('/bin/sh', ['-c', 'test -t 1 && echo a terminal'], {});
        shell.onData((text) => console.log([pid === process.pid, error.code, text.trim()].join()));
      });`;
    machine.write('/root/natives.cjs', program);
    const out = await machine.sh('cd /usr/lib/holdpoint && NODE_PATH=node_modules bin/node /root/natives.cjs');
    expect(out.trim()).toBe('true,ENOENT,a terminal');
    expect(await machine.sh('holdpoint executor --help')).toContain('prepare');
  });

  it('is looked at by doctor as it is: credentials of the unit are found, and nothing has to be mended', async () => {
    const { findings } = JSON.parse(await machine.sh('holdpoint doctor --json', true)) as {
      findings: { check: string; status: string; message: string }[];
    };
    const of = (check: string) => findings.filter((one) => one.check === check);
    for (const check of ['configuration', 'gateway', 'secret_files', 'state_dir', 'store', 'same_user'])
      expect([check, of(check).map(({ status }) => status)]).toEqual([check, ['ok']]);
    await machine.sh('setpriv --reuid=holdpoint --clear-groups holdpoint backup --out /tmp/backup');
  });

  it('refuses no connection while it is started anew, and keeps what is parked (T30)', async () => {
    const { hold } = await parked();
    const before = await property('MainPID');
    let restarting = true;
    const restarted = machine.sh(`systemctl restart ${AGENT}`).finally(() => {
      restarting = false;
    });
    let asked = 0;
    while (restarting) {
      const [hub, gateway] = await Promise.all([ask(hubPort, '/healthz'), ask(gatewayPort, '/nowhere')]);
      expect([hub, gateway]).toEqual([200, 404]);
      asked++;
    }
    await restarted;
    expect(asked).toBeGreaterThan(1);
    expect(await property('MainPID')).not.toBe(before);
    expect((await cli<{ state: string }>(`holds show ${hold.id}`, maria)).state).toBe('waiting_for_approval');
  });

  it('is started anew by the watchdog when it hangs', async () => {
    machine.write(`/etc/systemd/system/${AGENT}.d/soon.conf`, '[Service]\nWatchdogSec=6\n');
    await machine.sh(`systemctl daemon-reload; systemctl restart ${AGENT}`);
    const pid = await property('MainPID');
    // Longer than the watchdog waits: the signs of life are what keeps it.
    const age = `echo $(($(date +%s) - $(date -d "$(systemctl show --property=ActiveEnterTimestamp --value ${AGENT})" +%s)))`;
    await machine.until('a life longer than that', age, /^(9|\d\d+)$/m);
    expect(await property('MainPID')).toBe(pid);
    await machine.sh(`kill -STOP ${pid}`);
    const log = `journalctl --no-pager -o cat -u ${AGENT}`;
    expect(await machine.until('the watchdog', log, /Watchdog timeout/)).toContain('limit 6s');
    await active();
    expect(await property('MainPID')).not.toBe(pid);
    await machine.sh(`rm /etc/systemd/system/${AGENT}.d/soon.conf; systemctl daemon-reload`);
  });

  it('loses nothing that is parked when it is upgraded, removed and put back', async () => {
    const { job, hold } = await parked();
    const folder = '/root/next';
    await machine.sh(
      `dpkg-deb -R /root/holdpoint.deb ${folder} && sed -i 's/^Version: .*/Version: 0.1.1/' ${folder}/DEBIAN/control && dpkg-deb -Znone -b ${folder} /root/next.deb`,
    );
    const config = await machine.sh('cat /etc/holdpoint/agent.yml');
    const before = await property('MainPID');
    await machine.sh('dpkg --force-unsafe-io -i /root/next.deb');
    expect(await property('MainPID')).not.toBe(before);
    expect((await cli<{ state: string }>(`holds show ${hold.id}`, maria)).state).toBe('waiting_for_approval');

    await machine.sh('dpkg -r holdpoint');
    await expect(ask(gatewayPort, '/nowhere')).rejects.toThrow('ECONNREFUSED');
    expect(readdirSync(join(machine.root, 'var/lib/holdpoint/parking')).length).toBeGreaterThan(0);
    expect(gitlab.job(job).status).toBe('running');
    await install(deb);
    await active();
    expect(await machine.sh('cat /etc/holdpoint/agent.yml')).toBe(config);
    expect((await cli<{ state: string }>(`holds show ${hold.id}`, maria)).state).toBe('waiting_for_approval');
    await cli(`approve ${hold.id} --digest ${hold.digest}`, maria);
    const runner = poll();
    await gitlab.until('success', () => gitlab.job(job).status === 'success', 20_000);
    expect(runner.started.map((started) => started.jobId)).toContain(job);
  });

  it('runs a second agent beside it with a state of its own, whatever its file says', async () => {
    const [gateway, hub] = [await freePort(), await freePort()];
    machine.write(
      '/etc/holdpoint/agent-two.yml',
      `gitlab: { url: ${gitlab.url} }
gateway: { listen: 127.0.0.1:${gateway} }
hub: { listen: 127.0.0.1:${hub} }
state_dir: /var/lib/holdpoint
principals: principals.yaml
runners: []
`,
    );
    await machine.sh('systemctl enable --now holdpoint-agent@two.service');
    expect(await ask(hub, '/readyz')).toBe(200);
    expect(await ask(hubPort, '/readyz')).toBe(200);
    expect(await machine.sh('stat -c "%a %U" /var/lib/holdpoint-two/hub.sqlite')).toBe('600 holdpoint\n');
    // What is run by hand looks there too, though the file names nothing.
    await machine.sh("sed -i '/^state_dir/d' /etc/holdpoint/agent-two.yml");
    const shown = await machine.sh('holdpoint config --config /etc/holdpoint/agent-two.yml');
    expect(shown).toMatch(/state_dir\s+\/var\/lib\/holdpoint-two/);
    const { findings } = JSON.parse(
      await machine.sh('holdpoint doctor --config /etc/holdpoint/agent-two.yml --json', true),
    ) as { findings: { check: string; message: string }[] };
    expect(findings.find(({ check }) => check === 'store')?.message).toContain('/var/lib/holdpoint-two/hub.sqlite');
  });

  it('runs a hub by itself as a user of its own, on a socket that is held for it', async () => {
    const port = await freePort();
    machine.write(
      '/etc/holdpoint/hub.yml',
      `gitlab: { url: ${gitlab.url} }\nlisten: 127.0.0.1:${port}\nprincipals: principals.yaml\n`,
    );
    machine.write(
      '/etc/systemd/system/holdpoint-hub.socket.d/address.conf',
      `[Socket]\nListenStream=\nListenStream=127.0.0.1:${port}\n`,
    );
    await machine.sh('systemctl daemon-reload; systemctl enable --now holdpoint-hub.socket holdpoint-hub.service');
    expect(await property('StatusText', 'holdpoint-hub.service')).toBe(`hub http://127.0.0.1:${port}`);
    expect(await ask(port, '/readyz')).toBe(200);
    expect(await machine.sh('stat -c "%a %U" /var/lib/holdpoint-hub/hub.sqlite')).toBe('600 holdpoint-hub\n');
    const { findings } = JSON.parse(
      await machine.sh('holdpoint doctor --hub-config /etc/holdpoint/hub.yml --json', true),
    ) as { findings: { check: string; status: string; message: string }[] };
    // Where the unit keeps it, though neither file nor flag says so.
    expect(findings.find(({ check }) => check === 'store')).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('/var/lib/holdpoint-hub/hub.sqlite answers'),
    });
    await machine.sh('setpriv --reuid=holdpoint-hub --clear-groups holdpoint backup --hub --out /tmp/hub-backup');
    const others = 'setpriv --reuid=holdpoint-hub --clear-groups ls /var/lib/holdpoint /var/lib/holdpoint-two';
    expect(await machine.sh(others, true)).toMatch(/Permission denied[\s\S]*Permission denied/);
    await Promise.all([machine.sh('systemctl restart holdpoint-hub.service'), ask(port, '/healthz')]);
  });

  it('leaves nothing behind when it is purged', async () => {
    await machine.sh('dpkg -P holdpoint');
    const left = await machine.sh(
      'find / -xdev -iname "*holdpoint*" -not -path "/proc/*" -not -path "/root/*" -not -path "/var/lib/dpkg/*" -not -path "/var/log/*" -not -path "/sys/*"',
    );
    // What somebody wrote with "systemctl edit" is theirs.
    expect(left.split('\n').filter((path) => path !== '' && !/\.d(\/|$)/.test(path))).toEqual([]);
    expect(await machine.sh('systemctl list-units --all --plain --no-legend "holdpoint*"')).not.toMatch(/ active /);
  });
});
