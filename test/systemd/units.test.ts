import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/source-files.ts';

const analyze = process.env.SYSTEMD_ANALYZE_PATH ?? 'systemd-analyze';
const unit = join(ROOT, 'systemd/holdpoint-agent.service');
const folder = mkdtempSync(join(tmpdir(), 'holdpoint-units-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the systemd unit of the agent', () => {
  it('is understood line by line by systemd', () => {
    // The unit names /usr/bin/holdpoint, which a machine that only runs the tests does not have.
    const program = join(folder, 'holdpoint');
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    const copy = join(folder, 'holdpoint-agent.service');
    writeFileSync(copy, readFileSync(unit, 'utf8').replaceAll('/usr/bin/holdpoint', program));
    const result = spawnSync(analyze, ['verify', '--man=no', copy], { encoding: 'utf8' });
    expect(`${result.stdout}${result.stderr}`.trim()).toBe('');
    expect(result.status).toBe(0);
  });

  it('is confined: an exposure of 1.5 or better', () => {
    const out = execFileSync(analyze, ['security', '--offline=true', '--no-pager', unit], { encoding: 'utf8' });
    const level = Number(/exposure level for [^:]+: ([0-9.]+)/.exec(out)?.[1]);
    expect(level).toBeGreaterThan(0);
    expect(level).toBeLessThanOrEqual(1.5);
  });
});
