import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { OPTIONS } from '../../agent/src/config/options.ts';
import { ROOT } from '../support/source-files.ts';

const analyze = process.env.SYSTEMD_ANALYZE_PATH ?? 'systemd-analyze';
const units = readdirSync(join(ROOT, 'systemd')).filter((name) => /\.(service|socket)$/.test(name));
const textOf = (name: string) => readFileSync(join(ROOT, 'systemd', name), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'holdpoint-units-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the units', () => {
  it('are understood line by line by systemd', () => {
    // The units name /usr/bin/holdpoint, which a machine that only runs the tests does not have.
    const program = join(folder, 'holdpoint');
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    for (const name of units) writeFileSync(join(folder, name), textOf(name).replaceAll('/usr/bin/holdpoint', program));
    const loaded = units.map((name) => join(folder, name.replace('@.', '@one.')));
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` };
    const result = spawnSync(analyze, ['verify', '--man=no', ...loaded], { encoding: 'utf8', env });
    expect(`${result.stdout}${result.stderr}`.trim()).toBe('');
    expect(result.status).toBe(0);
  });

  it.each([
    ['holdpoint-agent.service', 1.5],
    ['holdpoint-agent@.service', 1.5],
    ['holdpoint-hub.service', 2],
  ] as const)('%s is confined: an exposure of %s or better', (name, most) => {
    const unit = join(folder, name.replace('@.', '@one.'));
    writeFileSync(unit, textOf(name));
    const out = execFileSync(analyze, ['security', '--offline=true', '--no-pager', unit], { encoding: 'utf8' });
    const level = Number(/exposure level for [^:]+: ([0-9.]+)/.exec(out)?.[1]);
    expect(level).toBeGreaterThan(0);
    expect(level).toBeLessThanOrEqual(most);
  });

  it('differ between one agent and one of several in nothing that confines them', () => {
    const confining = (name: string) => textOf(name).split('NoNewPrivileges=')[1];
    expect(confining('holdpoint-agent@.service')).toBe(confining('holdpoint-agent.service'));
  });

  it('hold the addresses that the configuration has by itself', () => {
    const byDefault = (key: string) => OPTIONS.find((option) => option.key === key)?.default;
    const held = (name: string) => /^ListenStream=(.*)$/m.exec(textOf(name))?.[1];
    expect(held('holdpoint-agent-gateway.socket')).toBe(byDefault('gateway.listen'));
    expect(held('holdpoint-agent-hub.socket')).toBe(byDefault('hub.listen'));
    expect(held('holdpoint-hub.socket')).toBe(byDefault('hub.listen'));
  });

  it('wait at a stop for longer than GitLab keeps a poll open, or a job would be lost (T40)', () => {
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(textOf('holdpoint-agent.service'))?.[1]);
    expect(seconds).toBeGreaterThan(60);
  });
});
