import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OPTIONS } from '../../agent/src/config/options.ts';
import { ROOT } from '../support/source-files.ts';

const page = readFileSync(join(ROOT, 'agent/docs/limits.md'), 'utf8');

/** Rows of the page beside the constants that they tell. */
const ROWS = [
  ['connections to the gateway', 'runners/gitlab/gateway.ts', 'MAX_CONNECTIONS', 1],
  ['polls of one runner', 'runners/gitlab/poll.ts', 'MAX_POLLS_OF_RUNNER', 1],
  ['polls of all runners together', 'runners/gitlab/poll.ts', 'MAX_POLLS_OF_STRANGERS', 1],
  ['body of a poll', 'runners/gitlab/job-request.ts', 'MAX_JOB_REQUEST_BYTES', 1024],
  ['headers of a request', 'runners/gitlab/gateway.ts', 'MAX_HEADER_BYTES', 1024],
  ['a connection on which nothing moves', 'runners/gitlab/gateway.ts', 'IDLE_MS', 60_000],
  ['wrong tokens', 'hub/auth.ts', 'MAX_FAILED_PER_MINUTE', 1],
  ['votes of one person', 'hub/auth.ts', 'MAX_VOTES_PER_MINUTE', 1],
  ['answers to equal changes', 'hub/routes/reviews.ts', 'MAX_CHANGES_PER_MINUTE', 1],
  ['begun sign-ins', 'hub/routes/oidc.ts', 'MAX_PER_MINUTE', 1],
  ['connections, agents and viewers', 'hub/hub.ts', 'MAX_CONNECTIONS_BESIDE', 1],
  ['the same of a hub by itself', 'hub/hub.ts', 'MAX_CONNECTIONS_ALONE', 1],
  ['body of a request', 'hub/server.ts', 'MAX_BODY_BYTES', 1024 * 1024],
  ['a frame of the link', 'wire/link.ts', 'MAX_FRAME_BYTES', 1024 * 1024],
  ['connections of agents that have not proved', 'hub/link-server.ts', 'MAX_UNPROVED', 1],
  ['questions of an agent that the hub has not', 'link/questions.ts', 'MAX_ASKED', 1],
  ['what waits for an agent that does not read', 'hub/link-connection.ts', 'MAX_SLOW_BYTES', 1024 * 1024],
] as const;

it.each(ROWS)('limits.md tells of %s what %s has', (words, file, name, unit) => {
  const source = readFileSync(join(ROOT, 'agent/src', file), 'utf8');
  const written = new RegExp(`const ${name} = ([0-9_ *]+);`).exec(source)?.[1] ?? 'nothing';
  const value = written.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1) / unit;
  const row = page.split('\n').find((line) => line.startsWith(`| ${words}`)) ?? `no row for ${words}`;
  expect(row.split('|')[2]).toMatch(new RegExp(`(?<![\\d,])${value.toLocaleString('en-US')}(?![\\d,])`));
});

it('limits.md tells the defaults of options as they are', () => {
  const of = (key: string) => OPTIONS.find((option) => option.key === key)?.default ?? '';
  const numbers = ['parking.max_holds', 'parking.max_holds_per_project', 'parking.max_holds_per_trigger'];
  expect(page).toContain(numbers.map((key) => Number(of(key)).toLocaleString('en-US')).join(', '));
  expect(page).toContain(`\`gateway.drain\` (${of('gateway.drain').replace('s', ' s')})`);
});
