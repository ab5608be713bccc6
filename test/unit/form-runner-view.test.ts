import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { read, type TestPayload } from './form/payload.ts';

const SHA = 'aaaaaaaabbbbbbbbccccccccddddddddeeeeeeee';
const TOKEN = 'glcbt-64_0123456789abcdef0123';

interface Sent {
  key: string;
  value: string | null;
  public?: boolean;
  masked?: boolean;
  file?: boolean;
  raw?: boolean;
}

function payload(parts: object): TestPayload {
  return {
    id: 123_456_789,
    token: TOKEN,
    job_info: { name: 'job', stage: 'test', project_id: 7, pipeline_id: 7_654_321 },
    git_info: { repo_url: 'https://gitlab.example.com/a/b.git', ref: 'main', ref_type: 'branch', sha: SHA },
    variables: [],
    ...parts,
  };
}

/**
 * What gitlab-runner makes of `variables`, written down on its own: the last entry of a key, and on hosts whose environments
 * do not tell cases apart the last of any spelling.
 */
function runnerView(all: readonly Sent[]): string {
  const [exact, folded] = [new Map<string, unknown>(), new Map<string, unknown>()];
  // What GitLab itself sends, as it sends it and once, says nothing beside the payload's own fields.
  const isOwn = (v: Sent) =>
    all.filter((other) => other.key.toLowerCase() === v.key.toLowerCase()).length === 1 &&
    v.file !== true &&
    v.raw !== true &&
    ((v.key === 'CI_COMMIT_SHA' && v.value === SHA && v.public === true && v.masked !== true) ||
      (v.key === 'CI_JOB_TOKEN' && v.value === TOKEN && v.public !== true && v.masked === true));
  const sent = all.filter((v) => !isOwn(v));
  for (const { key, value, file, raw, masked, public: isPublic } of sent) {
    const seen = [value ?? '', isPublic === true, masked === true, file === true, raw === true];
    exact.set(key, seen);
    folded.set(key.toLowerCase(), [key, ...seen]);
  }
  const sorted = (map: Map<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([sorted(exact), sorted(folded)]);
}

const flag = fc.constantFrom(undefined, undefined, true, false);
const text = fc.constantFrom(
  'x',
  '',
  SHA,
  `app:${SHA}`,
  '$CI_COMMIT_SHA',
  '["app:",{"var":"CI_COMMIT_SHA"}]',
  TOKEN,
  'secret-value-one',
  'secret-value-two',
  'Bearer secret-value-one',
  'a secret-value-onesecret-value-two z',
  'hmac:00',
);
const variable: fc.Arbitrary<Sent> = fc
  .record({
    key: fc.constantFrom('A', 'a', 'B', 'CI_COMMIT_SHA', 'CI_JOB_TOKEN', '__proto__'),
    value: fc.oneof({ weight: 9, arbitrary: text }, fc.constant(null)),
    public: flag,
    masked: flag,
    file: fc.constantFrom(undefined, undefined, undefined, true),
    raw: fc.constantFrom(undefined, undefined, undefined, true),
  })
  .map((v) => JSON.parse(JSON.stringify(v)) as Sent);
const piece: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.constantFrom<unknown>(null, 0, false, {}, []),
  fc.record({ var: fc.constantFrom('CI_COMMIT_SHA', 'A') }),
  fc.record({ var: fc.constantFrom('CI_COMMIT_SHA', 'A'), none: fc.constantFrom<unknown>(null, [], {}) }),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.array(piece, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('x', 'y'), piece, { maxKeys: 2 }),
);

/** Null and empty members are as good as absent to Go's decoder; elements of lists are not. */
function folded(of: unknown): unknown {
  if (Array.isArray(of))
    return of.map((element) => folded(element) ?? (Array.isArray(element) ? [] : element === null ? null : {}));
  if (typeof of !== 'object' || of === null) return of ?? undefined;
  const members = Object.entries(of)
    .map(([name, inner]) => [name, folded(inner)] as const)
    .filter(([, inner]) => inner !== undefined && !(Array.isArray(inner) && inner.length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

/** Reads all, and wants that no digest stands for two views. */
function onePerDigest(payloads: readonly (readonly [TestPayload, string])[]): { read: number; shared: number } {
  const views = new Map<string, string>();
  const count = { read: 0, shared: 0 };
  for (const [made, view] of payloads) {
    const reading = read(made);
    if (!reading.ok) continue;
    count.read += 1;
    const known = views.get(reading.digest);
    if (known === undefined) views.set(reading.digest, view);
    else {
      count.shared += 1;
      expect(view, `one digest, two jobs: ${JSON.stringify(made)}`).toBe(known);
    }
  }
  return count;
}

describe('one digest is one job to the runner', () => {
  it('T37 T53 however variables are sent, repeated, spelt and flagged', () => {
    const sent = [
      ...fc.sample(fc.array(variable, { minLength: 1, maxLength: 2 }), { numRuns: 2_500, seed: 1 }),
      ...fc.sample(
        fc.array(
          fc.record({ key: fc.constantFrom('A', 'a'), value: fc.constantFrom('x', 'y'), public: fc.boolean() }),
          { minLength: 1, maxLength: 4 },
        ),
        { numRuns: 2_500, seed: 2 },
      ),
      ...fc.sample(fc.array(variable, { minLength: 3, maxLength: 5 }), { numRuns: 1_000, seed: 3 }),
    ];
    const count = onePerDigest(sent.map((variables) => [payload({ variables }), runnerView(variables)] as const));
    expect(count.read).toBe(sent.length);
    expect(count.shared).toBeGreaterThan(500);
  });

  it('T2 whatever stands where templates are made: secrets, unknown fields and members, a script', () => {
    const masked: Sent[] = [
      { key: 'A', value: 'secret-value-one', masked: true },
      { key: 'B', value: 'secret-value-two' },
    ];
    const made = fc.sample(fc.tuple(fc.constantFrom('secrets', 'odd', 'member', 'script'), value), {
      numRuns: 5_000,
      seed: 4,
    });
    const count = onePerDigest(
      made.flatMap(([place, it]) => {
        const view = JSON.stringify([place, folded({ it }) ?? null]);
        switch (place) {
          case 'secrets':
            return [
              [
                payload({ variables: masked, secrets: { S: { vault: { server: { auth: { data: { it } } } } } } }),
                // Nothing but empty data is as good as no secret.
                folded({ it }) === undefined ? 'none' : view,
              ] as const,
            ];
          case 'odd':
            return [
              [payload({ variables: masked, odd: { it } }), folded({ it }) === undefined ? 'none' : view] as const,
            ];
          case 'member':
            return [[payload({ variables: [...masked, { key: 'X', value: '', it }] }), view] as const];
          default:
            return typeof it === 'string'
              ? [[payload({ variables: masked, steps: [{ name: 'script', script: [it] }] }), view] as const]
              : [];
        }
      }),
    );
    expect(count.shared).toBeGreaterThan(500);
  });
});
