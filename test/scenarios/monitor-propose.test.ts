import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { propose } from '../../agent/src/app/propose.ts';
import { proposalText } from '../../agent/src/cli/propose.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { DAY, factsFor, hubWorld, type JobSpec, requestFor, VARIABLE_KEY, type World } from '../support/hub-world.ts';

const variable = (key: string, value: JsonObject[] | string, flags: object): JsonObject => ({
  key,
  value,
  public: false,
  masked: false,
  file: false,
  raw: false,
  ...flags,
});
const yaml = (key: string, value: string) => variable(key, value, { public: true });
const hidden = (key: string, value: string) =>
  variable(key, [{ hmac: variableTag(VARIABLE_KEY, 4242, key, JSON.stringify(value)) }], {});

describe('monitor: what ran unguarded is turned into approvals and lines of the policy', () => {
  let world: World;
  let id = 0;
  beforeEach(async () => {
    world = await hubWorld();
    id = 0;
  });
  afterEach(() => world.store.close());

  /** One run on a runner in mode monitor. */
  async function ran(job: Omit<JobSpec, 'id'>, variables: readonly JsonObject[] = [], facts: Partial<Facts> = {}) {
    id += 1;
    world.clock.advance(1_000);
    const extra: JsonObject = variables.length === 0 ? {} : { variables };
    const spec = { ...job, id, pipeline: id, extra: { ...job.extra, ...extra } };
    const request = requestFor(spec);
    const more = { ...factsFor(spec), ...facts };
    return admit(world.context, 'embedded', { ...request, facts: more, monitor: true });
  }
  const proposal = () => propose(world.context, world.caller('maria'), 30);
  const sent = (iid: number): Partial<Facts> => ({
    notCovered: [{ path: 'variables.CI_PIPELINE_IID', value: String(iid), reason: '' }],
  });

  it('one approval for each job, with who started it and how often', async () => {
    for (let n = 0; n < 5; n++) await ran({ name: 'build', by: n % 2 === 0 ? 'zoe' : 'alice' });
    await ran({ name: 'test' });
    const { approvals, tolerate, runs } = await proposal();
    expect(approvals.map(({ subject, runs: n }) => [subject.job, n])).toEqual([
      ['build', 5],
      ['test', 1],
    ]);
    expect(approvals[0]!.triggers.map(({ username }) => username).sort()).toEqual(['alice', 'zoe']);
    expect(tolerate).toEqual([]);
    expect(runs).toEqual({ proposed: 6, covered: 0, unprotected: 0 });
  });

  it('T35 nothing for refs that any pusher can change, and nothing that anybody approved already', async () => {
    await world.admit({ id: 900, pipeline: 900, name: 'build' });
    await world.approve('maria', 1);
    await ran({ name: 'build' });
    await ran({ name: 'build', ref: 'refs/heads/x', protected: false });
    const { approvals, runs } = await proposal();
    expect(approvals).toEqual([]);
    // What is approved passes and is no sighting at all.
    expect(runs).toEqual({ proposed: 0, covered: 0, unprotected: 1 });
  });

  it('a value that counts up becomes a shape or a template, not ten approvals', async () => {
    for (let n = 10; n < 20; n++) {
      await ran({ name: 'build' }, [yaml('VERSION', `1.4.${n}`)], sent(n));
      await ran({ name: 'pack' }, [hidden('BUILD', String(n * 3))], {
        shapes: [{ name: 'BUILD', shapes: ['digits'] }],
      });
    }
    const { approvals, tolerate } = await proposal();
    expect(approvals).toHaveLength(2);
    expect(tolerate.map(({ job, lines }) => [job, lines])).toEqual(
      expect.arrayContaining([
        ['build', [{ kind: 'templates', name: 'VERSION', value: '1.4.${CI_PIPELINE_IID}' }]],
        ['pack', [{ kind: 'shapes', name: 'BUILD', value: 'digits' }]],
      ]),
    );
  });

  it('T57 a text that somebody writes or types is proposed for nothing: each is approved or not', async () => {
    for (const word of ['one; id', 'two $(id)', 'three']) {
      await ran({ name: 'build' }, [yaml('GREETING', word)]);
      await ran({ name: 'pack' }, [hidden('TARGET', word)]);
    }
    const { approvals, tolerate } = await proposal();
    expect(tolerate).toEqual([]);
    expect(approvals).toHaveLength(6);
  });

  it('T7 a name that changes how a shell behaves is never tolerated', async () => {
    for (let n = 0; n < 5; n++) await ran({ name: 'build' }, [yaml('NODE_OPTIONS', String(n))]);
    const { approvals, tolerate } = await proposal();
    expect(tolerate).toEqual([]);
    expect(approvals).toHaveLength(5);
  });

  it('two things that change together are found together', async () => {
    for (let n = 10; n < 16; n++) await ran({ name: 'build' }, [yaml('A', String(n)), yaml('B', `${n}.0.0`)], {});
    const { approvals, tolerate } = await proposal();
    expect(approvals).toHaveLength(1);
    expect(tolerate[0]!.lines.map((line) => line.kind)).toEqual(['shapes', 'shapes']);
  });

  it('a base image that is rebuilt each night, a field of a newer GitLab, and needs that come and go', async () => {
    for (let n = 0; n < 5; n++) {
      await ran({ name: 'a', extra: { image: { name: `registry.example.com/base/node:20.${n}` } } });
      await ran({ name: 'b', extra: { features: { fresh: n } } });
      await ran({
        name: 'c',
        extra: { dependencies: [{ name: 'build' }, ...(n % 2 === 0 ? [] : [{ name: `test ${n}` }])] },
      });
    }
    const { tolerate } = await proposal();
    expect(Object.fromEntries(tolerate.map(({ job, lines }) => [job, lines]))).toMatchObject({
      a: [{ kind: 'images', value: 'registry.example.com/base/node:*' }],
      b: [{ kind: 'fields', value: 'features.fresh' }],
    });
  });

  it('what is proposed, once approved and written, lets the same days through', async () => {
    const days = async () => {
      for (let n = 10; n < 20; n++) await ran({ name: 'build' }, [yaml('VERSION', `1.4.${n}`)], sent(n));
      await ran({ name: 'deploy', environment: 'production' });
      await ran({ name: 'deploy', environment: 'staging' });
    };
    await days();
    const { approvals, tolerate } = await proposal();
    for (const one of approvals) {
      id += 1;
      const environment = one.places[0]!.environment;
      const configuration = JSON.parse((await world.store.configuration(one.digest))!) as JsonObject;
      const facts = factsFor({
        id,
        pipeline: id,
        name: one.subject.job,
        ...(environment === null ? {} : { environment }),
      });
      const { hold } = await admit(world.context, 'embedded', {
        digest: one.digest,
        configuration,
        facts: { ...facts, ...sent(19) },
      });
      await world.approve('maria', hold!);
    }
    const view = proposalText({
      since: new Date(0).toISOString(),
      approvals: [],
      tolerate: tolerate.map(({ project, projectPath, job, yaml: text }) => ({
        project_id: project,
        project_path: projectPath,
        job,
        yaml: text,
      })),
      runs: { proposed: 0, covered: 0, unprotected: 0 },
      cut: false,
    });
    const policy = readPolicy(view.slice(view.indexOf('configurations:')), 'proposed.yaml');
    world.policy = { ...policy, entries: policy.entries };
    const before = await world.store.sightings({ since: 0, projects: null }, 100);
    const runs = before.reduce((sum, one) => sum + one.runs, 0);
    await days();
    const after = await world.store.sightings({ since: 0, projects: null }, 100);
    expect(after.reduce((sum, one) => sum + one.runs, 0)).toBe(runs);
    expect((await proposal()).approvals).toEqual([]);
  });

  it('T32 only of projects that one may see, and of the days that were asked for', async () => {
    await ran({ name: 'build' });
    expect((await propose(world.context, world.caller('gus'), 30)).approvals).toEqual([]);
    world.clock.advance(40 * DAY);
    expect((await proposal()).approvals).toEqual([]);
  });

  it('moves nothing: no hold, no review, no use of an approval', async () => {
    await ran({ name: 'build' });
    expect(await world.store.holds({ sight: null }, { after: 0, limit: 5 })).toEqual([]);
    expect(await world.store.reviews({ sight: null }, { after: 0, limit: 5 })).toEqual([]);
    expect(await world.audit()).toEqual(expect.arrayContaining([expect.stringContaining('job_monitored')]));
  });
});
