import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { demoJobs } from '../support/demo-jobs.ts';
import { type EnqueueOptions, type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';

const read = (name: string) => readFileSync(new URL(`../fixtures/gitlab/${name}`, import.meta.url), 'utf8');
const fixture = (name: string) => read(`${name}.json`);
const KEY = new Uint8Array(32).fill(7);

const open: FakeGitlab[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

function digestOf(text: string, jwks: unknown): string {
  const reading = readPayload(Buffer.from(text), {
    instance: 'https://gitlab.example.com',
    runner: 'prod-deployer-01',
    variableKey: KEY,
    verifyIdToken: jwksVerifier(jwks),
  });
  return reading.ok ? reading.digest : `${reading.path}: ${reading.reason}`;
}

/** Digest of what the fake hands out for a payload. */
async function digestHandedOut(payload: string | object, options: EnqueueOptions = {}): Promise<string> {
  const fake = await startFakeGitlab();
  open.push(fake);
  fake.enqueue(payload, options);
  const answer = await fetch(`${fake.url}/api/v4/jobs/request`, {
    method: 'POST',
    body: JSON.stringify({ token: fake.runnerToken('another-runner'), info: {} }),
  });
  return digestOf(await answer.text(), fake.jwks());
}

const ALICE = { id: 12, username: 'alice', name: 'Alice Okafor' };

describe('a fixture that the fake GitLab makes another run of', () => {
  it.each(['build-image', 'deploy-production', 'release', 'test-unit'])('%s keeps its digest', async (name) => {
    const expected = digestOf(fixture(`${name}.run1`), JSON.parse(read('jwks.json')));
    expect(expected).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await digestHandedOut(fixture(`${name}.run1`))).toBe(expected);
    expect(await digestHandedOut(fixture(`${name}.run1`), { user: ALICE, source: 'web' })).toBe(expected);
    expect(await digestHandedOut(fixture(`${name}.run2`))).toBe(expected);
  });

  it('gets another digest by a change of its configuration, and none by that of its bytes', async () => {
    const plain = await digestHandedOut(fixture('deploy-production.run1'));
    const changed = await digestHandedOut(fixture('deploy-production.run1'), {
      mutate: (payload) => {
        (payload.image as { name: string }).name = 'registry.example.com/ops/deployer:5';
      },
    });
    const indented = await digestHandedOut(fixture('deploy-production.run1'), {
      render: ({ text }) => JSON.stringify(JSON.parse(text), null, 3),
    });
    expect(changed).toMatch(/^sha256:/);
    expect([changed === plain, indented === plain]).toEqual([false, true]);
  });
});

describe('the jobs of the demo', () => {
  it('are one configuration pushed twice, and one whose script changed', async () => {
    const jobs = demoJobs();
    const known = await digestHandedOut(jobs.known.payload, jobs.known.options);
    const again = await digestHandedOut(jobs.again.payload, jobs.again.options);
    const changed = await digestHandedOut(jobs.changed.payload, jobs.changed.options);
    expect(known).toMatch(/^sha256:/);
    expect([again === known, changed === known]).toEqual([true, false]);
  });
});
