import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Docker, startDocker } from '../../support/docker.ts';
import { freePort } from '../../support/free-port.ts';
import { holdpointImage } from '../../support/holdpoint-image.ts';
import { PRINCIPALS } from '../../support/scene.ts';

const MINUTE = 60_000;
/** The image's user, whatever names the base has. */
const USER = 8093;
let folder: string;
let docker: Docker;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-image-'));
  docker = await startDocker();
  await holdpointImage(docker, folder, 'holdpoint:test');
}, 10 * MINUTE);
afterAll(async () => {
  await docker?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}, MINUTE);

describe('the image', { timeout: 2 * MINUTE }, () => {
  it('runs as a user of its own, with a root that cannot be written to and no capability, and says that it is healthy', async () => {
    const config = join(folder, 'config');
    mkdirSync(config, { recursive: true });
    const [gateway, hub] = [await freePort(), await freePort()];
    writeFileSync(join(config, 'principals.yaml'), PRINCIPALS);
    writeFileSync(join(config, 'runner.token'), 'glrt-0123456789abcdefghij');
    chmodSync(join(config, 'runner.token'), 0o400);
    chownSync(join(config, 'runner.token'), USER, USER);
    writeFileSync(
      join(config, 'agent.yml'),
      `gitlab: { url: http://127.0.0.1:9 }
gateway: { listen: 127.0.0.1:${gateway} }
hub: { listen: 127.0.0.1:${hub} }
principals: principals.yaml
runners: [{ name: prod-deployer-01, token_file: runner.token, protected: true }]
`,
    );
    const confined = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--network=host'];
    const health = ['-e', `HEALTH_URL=http://127.0.0.1:${hub}/readyz`, '--health-interval=1s'];
    await docker.run(
      'run',
      '-d',
      '--name=agent',
      ...confined,
      ...health,
      '-v',
      `${config}:/etc/holdpoint:ro`,
      'holdpoint:test',
    );
    await docker.until(/^healthy/, 'inspect', '--format', '{{.State.Health.Status}}', 'agent');
    expect((await docker.run('exec', 'agent', 'id', '-u')).trim()).toBe(String(USER));
    await expect(docker.run('exec', 'agent', 'touch', '/usr/lib/holdpoint/x')).rejects.toThrow('Read-only file system');
    expect(await docker.run('exec', 'agent', 'stat', '-c', '%a %u', '/var/lib/holdpoint/hub.sqlite')).toBe(
      `600 ${USER}\n`,
    );

    // The check itself: nobody answers there.
    const check = JSON.parse(
      await docker.run('inspect', '--format', '{{json .Config.Healthcheck.Test}}', 'agent'),
    ) as string[];
    const dead = ['exec', '-e', 'HEALTH_URL=http://127.0.0.1:9/readyz', 'agent', ...check.slice(1)];
    await expect(docker.run(...dead)).rejects.toThrow('ended with 1');

    await docker.run('stop', '--time=90', 'agent');
    expect((await docker.run('inspect', '--format', '{{.State.ExitCode}}', 'agent')).trim()).toBe('0');
  });

  it('is a hub by itself as well', async () => {
    const port = await freePort();
    const config = join(folder, 'config');
    const text = `gitlab: { url: http://127.0.0.1:9 }\nlisten: 127.0.0.1:${port}\nprincipals: principals.yaml\n`;
    writeFileSync(join(config, 'hub.yml'), text);
    const confined = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--network=host'];
    const health = ['-e', `HEALTH_URL=http://127.0.0.1:${port}/readyz`, '--health-interval=1s'];
    const command = ['holdpoint:test', 'hub', '--config', '/etc/holdpoint/hub.yml'];
    await docker.run(
      'run',
      '-d',
      '--name=hub',
      ...confined,
      ...health,
      '-v',
      `${config}:/etc/holdpoint:ro`,
      ...command,
    );
    await docker.until(/^healthy/, 'inspect', '--format', '{{.State.Health.Status}}', 'hub');
    await docker.run('stop', '--time=90', 'hub');
  });

  it('keeps its state in the volume alone', async () => {
    const mounts = await docker.run(
      'image',
      'inspect',
      '--format',
      '{{json .Config.Volumes}} {{.Config.User}}',
      'holdpoint:test',
    );
    expect(mounts.trim()).toBe('{"/var/lib/holdpoint":{}} 8093:8093');
    expect(await docker.run('diff', 'agent')).not.toContain('/usr');
  });
});
