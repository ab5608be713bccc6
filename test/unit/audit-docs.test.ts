import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEAD_PAYLOAD } from '../../agent/src/domain/audit-head.ts';
import { BUNDLE_TYPE, STATEMENT_PAYLOAD } from '../../agent/src/domain/bundle.ts';
import { runCli } from '../support/cli.ts';
import { ROOT } from '../support/source-files.ts';

describe('the page on the audit', () => {
  it('names the types that the code writes, and flags that the commands have', async () => {
    const page = readFileSync(join(ROOT, 'agent/docs/audit.md'), 'utf8');
    for (const type of [BUNDLE_TYPE, STATEMENT_PAYLOAD, HEAD_PAYLOAD]) expect(page).toContain(type);
    expect(page).toContain(`DSSEv1 ${STATEMENT_PAYLOAD.length} ${STATEMENT_PAYLOAD} `);
    const help: Record<string, string> = {};
    for (const name of ['list', 'timeline', 'export', 'bundle', 'verify', 'key', 'head'])
      help[name] = (await runCli(['audit', name, '--help'])).out;
    for (const [line, name] of page.matchAll(/holdpoint audit (\w+)[^`\n|]*/g))
      for (const [flag] of line.matchAll(/--[a-z]+/g)) expect(help[name!], line).toContain(flag);
  });
});
