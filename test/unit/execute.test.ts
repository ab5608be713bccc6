import { describe, expect, it } from 'vitest';
import { cleanUpJob } from '../../agent/src/app/execute/cleanup.ts';
import { prepareJob } from '../../agent/src/app/execute/prepare.ts';
import { isOver, sessionOf } from '../../agent/src/app/execute/session.ts';
import { readReference } from '../../agent/src/domain/image-reference.ts';
import type { Json, JsonObject } from '../../agent/src/domain/json.ts';
import { digestsOf, imagesSection } from '../../agent/src/domain/pinned-images.ts';
import type { ExecutorDriver, ExecutorSession } from '../../agent/src/ports/executor.ts';
import type { Receipts, SpendAnswer } from '../../agent/src/ports/receipts.ts';
import { defaultAliases, readExecutorJob } from '../../agent/src/runners/gitlab/custom-executor/job.ts';
import { namedImages } from '../../agent/src/runners/gitlab/image-references.ts';
import { groupVariables } from '../../agent/src/runners/gitlab/variables.ts';

const payload = (parts: object = {}) => ({
  id: 42,
  token: 'glcbt-x',
  job_info: { name: 'deploy', project_id: 7, project_full_path: 'acme/payments/api' },
  runner_info: { timeout: 60 },
  variables: [
    { key: 'TAG', value: 'old' },
    { key: 'TAG', value: '1.$PATCH' },
    { key: 'PATCH', value: '2' },
    { key: 'RAW', value: '$TAG', raw: true },
  ],
  image: { name: 'registry.test/app:$TAG' },
  services: [],
  ...parts,
});
const read = (parts: object = {}) => readExecutorJob(Buffer.from(JSON.stringify(payload(parts))));
const OWNER = { pid: 10, startedAt: 500, boot: 'b', namespace: 'n' };
const session = () => sessionOf('42-ab', read().job, OWNER, 1_000);
const call = { output: { out: async () => {}, err: async () => {} }, cancel: new AbortController().signal };
const APPROVED: SpendAnswer = { ok: true, receipt: { jobId: 42, digest: 'd', runner: 'r', images: {} } };

/** A driver that notes what it was asked. */
function noting() {
  const prepared: ExecutorSession[] = [];
  const driver: ExecutorDriver = {
    name: 'noting',
    version: '1',
    places: () => ({ buildsDir: '/b', cacheDir: '/c', shared: false }),
    prepare: async (whole) => {
      prepared.push(whole);
      return { kind: 'exited', code: 0 };
    },
    run: async () => ({ kind: 'exited', code: 0 }),
    cleanup: async () => ({ prepared: prepared.length > 0 }),
    sweep: async () => [],
  };
  return { driver, prepared };
}
function receipts(answer: SpendAnswer) {
  const finished: string[] = [];
  const of: Receipts = { spend: async () => answer, finish: async (id) => void finished.push(id) };
  return { of, finished };
}

describe('preparing a job', () => {
  it('makes nothing for a job that the gate refuses, or whose receipt is for another (T25, T39)', async () => {
    const { driver, prepared } = noting();
    const answers: SpendAnswer[] = [
      { ok: false, refusal: 'no_receipt', words: 'no receipt for job 42' },
      { ok: true, receipt: { jobId: 43, digest: 'd', runner: 'r', images: {} } },
    ];
    for (const answer of answers) {
      const parts = { driver, receipts: receipts(answer).of, isOver: () => false };
      expect(await prepareJob(parts, session(), Buffer.from(''), call)).toMatchObject({ kind: 'system_failure' });
    }
    expect(prepared).toEqual([]);
    const parts = { driver, receipts: receipts(APPROVED).of, isOver: () => false };
    expect(await prepareJob(parts, session(), Buffer.from(''), call)).toEqual({ kind: 'exited', code: 0 });
    expect(prepared).toHaveLength(1);
  });

  it('runs no image beside those that a receipt pins (T39)', async () => {
    const { driver, prepared } = noting();
    const pins = async (images: Record<string, string>) => {
      const of = receipts({ ok: true, receipt: { jobId: 42, digest: 'd', runner: 'r', images } }).of;
      return prepareJob({ driver, receipts: of, isOver: () => false }, session(), Buffer.from(''), call);
    };
    expect(await pins({ 'registry.test/other:1': 'sha256:aa' })).toMatchObject({
      kind: 'system_failure',
      words: expect.stringContaining('registry.test/app:1.2 is not among those that were looked at'),
    });
    expect(prepared).toEqual([]);
    await pins({ 'registry.test/app:1.2': 'sha256:bb' });
    expect(prepared[0]?.images).toEqual({ 'registry.test/app:1.2': 'sha256:bb' });
    // What people have approved for one run, without knowing what it stands for, is run by its name, as where nothing else is pinned.
    const section = imagesSection([
      { reference: 'registry.test/app:1.2', unresolved: 'the registry does not answer' },
      { reference: 'registry.test/db:1', digest: `sha256:${'a'.repeat(64)}` },
    ]);
    expect(await pins({ ...digestsOf(section) })).toEqual({ kind: 'exited', code: 0 });
    expect(prepared[1]?.images).toEqual({ 'registry.test/db:1': `sha256:${'a'.repeat(64)}` });
  });

  it('closes the receipt of a session that could have run, and of one that nobody can tell, and keeps that of a failed prepare', async () => {
    const { driver, prepared } = noting();
    const { of, finished } = receipts(APPROVED);
    await cleanUpJob(driver, of, '42-ab');
    expect(finished).toEqual([]);
    prepared.push({ ...session(), images: {} });
    await cleanUpJob(driver, of, '42-ab');
    expect(finished).toEqual(['42-ab']);
    const broken = { ...driver, cleanup: () => Promise.reject(new Error('no engine')) };
    await expect(cleanUpJob(broken, of, '43-ab')).rejects.toThrow('no engine');
    expect(finished).toEqual(['42-ab', '43-ab']);
  });
});

describe('a job as the executor reads it', () => {
  it('has the image that gitlab-runner would pull, and says what it cannot replace', () => {
    expect(read().job.image?.reference).toBe('registry.test/app:1.2');
    expect(read({ image: { name: 'a$' + '{PATCH}b' } }).job.image?.reference).toBe('a2b');
    // What the payload says of such a name wins over what the runner says, as there.
    const named = [...payload().variables, { key: 'CI_JOB_STATUS', value: 'c' }];
    expect(read({ variables: named, image: { name: 'a$CI_JOB_STATUS' } }).job.image?.reference).toBe('ac');
    for (const name of [
      '$RAW',
      '$CI_PROJECT_DIR',
      'a$CI_JOB_STATUS',
      'a$CI_SERVER_TLS_CA_FILE',
      'a b',
      '-x',
      '$' + '{{ job.inputs.x }}',
    ])
      expect(() => read({ image: { name } })).toThrow('is no reference of an image');
    for (const wrong of ['', '[]', '{"id":"1"}', '{"id":1,"token":""}', '\xff'])
      expect(() => readExecutorJob(Buffer.from(wrong, 'latin1'))).toThrow(/JOB_RESPONSE_FILE/);
    expect(read({ image: { name: 'a', entrypoint: [''] } }).job.image?.entrypoint).toEqual([]);
    expect(read({ image: { name: 'a', entrypoint: [] } }).job.image?.entrypoint).toBeNull();
    expect(defaultAliases('registry.test:5000/acme/db:9')).toEqual([
      'registry.test__acme__db',
      'registry.test-acme-db',
    ]);
  });

  it('T37 T48 gives the cache of protected refs to no job that only says of itself that it runs for one', () => {
    const own = (value: string) => ({ key: 'CI_COMMIT_REF_PROTECTED', value });
    const protectedOf = (git: object, ...said: string[]) =>
      read({ git_info: git, variables: said.map(own) }).job.protectedRef;
    expect(protectedOf({ protected: false }, 'false', 'true')).toBe(false);
    expect(protectedOf({ protected: false }, 'true')).toBe(false);
    expect(protectedOf({ protected: true }, 'true', 'false')).toBe(true);
    // GitLab before 17 does not say it; then whoever adds a word of theirs stands beside GitLab's own.
    expect([
      protectedOf({}, 'true'),
      protectedOf({}, 'false', 'true'),
      protectedOf({}, 'true', 'false'),
      protectedOf({}),
    ]).toEqual([...[true, false, false, false]]);
  });

  it('T39 takes the image that was pinned, whatever the runner has replaced in its name already', () => {
    const at = (name: string) => `registry.test/${name}`;
    const names = ['app:1', 'app:$TAG', 'app:1$NOBODY', '$$app', '$RAW', '$TAG$RAW', 'x-$FILE', '$SECRET', '$0', '$'];
    const variables = [
      ...payload().variables,
      { key: 'FILE', value: 'x', file: true },
      { key: 'SECRET', value: 'hidden', public: false },
    ].map((variable) => ({ public: true, ...variable }));
    let pinned = 0;
    for (const name of names.map(at)) {
      const job = payload({ variables, image: { name } });
      const groups = groupVariables(job.variables as unknown as Json);
      const [image] = namedImages(job as unknown as JsonObject, groups);
      if (image?.reference == null || readReference(image.reference) === null) continue;
      pinned += 1;
      // As older runners write it, and as it stands where the runner has replaced the name itself.
      expect(read({ variables, image: { name } }).job.image?.reference).toBe(image.reference);
      expect(read({ variables, image: { name: image.reference } }).job.image?.reference).toBe(image.reference);
    }
    expect(pinned).toBe(3);
  });

  it('is over when its runner is gone or its time is, and never on the word of another pid namespace', () => {
    const host = { boot: 'b', namespace: 'n', startOf: (pid: number) => (pid === 10 ? 500 : null) };
    const left = (owner: Partial<typeof OWNER> | null, endsBefore: number | null = 9_000) => ({
      session: '1-a',
      owner: owner === null ? null : { ...OWNER, ...owner },
      endsBefore,
    });
    expect(isOver(left({}), host, 1_000)).toBe(false);
    expect(isOver(left({}), host, 9_000)).toBe(true);
    // The pid is another process's by now; or the host has started anew.
    expect(isOver(left({ startedAt: 400 }), host, 1_000)).toBe(true);
    expect(isOver(left({ pid: 11 }), host, 1_000)).toBe(true);
    expect(isOver(left({ boot: 'c' }), host, 1_000)).toBe(true);
    expect(isOver(left({ pid: 11, namespace: 'm' }), host, 1_000)).toBe(false);
    expect(isOver(left(null, null), host, 1_000)).toBe(true);
  });
});
