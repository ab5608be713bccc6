import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { policyParts } from '../../agent/src/directories/policy-parts.ts';
import { diffConfigurations } from '../../agent/src/domain/configuration-diff.ts';
import { digestOf } from '../../agent/src/domain/digest.ts';
import { loginFor, readReference } from '../../agent/src/domain/image-reference.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import {
  BY_NAME,
  digestsOf,
  imagesSection,
  imagesSectionOf,
  type PinnedImage,
} from '../../agent/src/domain/pinned-images.ts';
import { policyProblems } from '../../agent/src/domain/policy-problems.ts';
import { isRunOnly } from '../../agent/src/domain/run-only.ts';
import { runValuesOf } from '../../agent/src/domain/run-values.ts';
import { withSections } from '../../agent/src/domain/sections.ts';
import { NO_TOLERANCE, relax } from '../../agent/src/domain/tolerate.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { pinnedImages } from '../../agent/src/runners/gitlab/pinned-images.ts';
import { registryLogins } from '../../agent/src/runners/gitlab/registry-logins.ts';
import { httpRegistries } from '../../agent/src/system/registry.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { fixture } from '../support/gate.ts';
import { configurationFor } from '../support/hub-world.ts';

const D = (digit: string) => `sha256:${digit.repeat(64)}`;

describe('references of images', () => {
  it.each([
    ['alpine', 'docker.io', 'library/alpine', 'latest', null],
    ['node:20', 'docker.io', 'library/node', '20', null],
    ['acme/app:1', 'docker.io', 'acme/app', '1', null],
    ['Registry.Example.com/a/b:1', 'registry.example.com', 'a/b', '1', null],
    ['localhost/app', 'localhost', 'app', 'latest', null],
    ['127.0.0.1:5000/app', '127.0.0.1:5000', 'app', 'latest', null],
    [`r.example/app:1@${D('a')}`, 'r.example', 'app', '1', D('a')],
  ])('%s is read as Docker reads it', (text, registry, repository, tag, digest) => {
    expect(readReference(text)).toEqual({ registry, repository, tag, digest });
  });

  it.each([
    '',
    'App',
    'a b',
    'r.example/../v2',
    'r.example/a?x=1',
    'r.example/a:1/b:2',
    'a@sha256:00',
    'evil@r.example/a',
    'r.example:99999999/a',
    '$IMAGE',
    'a/b#c',
    'r.example/a%2fb',
  ])('T38 %j is none', (text) => expect(readReference(text)).toBeNull());
});

describe('the name of an image that a job writes to be slow', () => {
  const OPTIONS = { instance: '', runner: '', variableKey: new Uint8Array(32), verifyIdToken: () => null };
  const read = (name: string, value = 'x') => {
    const payload = JSON.parse(fixture('deploy-production.run1')) as Record<string, unknown> & { variables: object[] };
    payload.image = { name };
    payload.inputs = [{ key: 'env', value: { type: 'string', content: 'prod', sensitive: false } }];
    const flags = { public: true, masked: false };
    payload.variables.push({ key: 'AA', value, ...flags }, { key: 'BB', value: 'x', ...flags });
    const began = performance.now();
    const reading = readPayload(Buffer.from(JSON.stringify(payload)), OPTIONS);
    return { reading, ms: performance.now() - began };
  };

  it.each([
    ['values that name others again and again', '$AA'.repeat(2_500), '$NOPE'.repeat(2_500)],
    ['a long value again and again', '$AA'.repeat(20_000), 'v'.repeat(20_000)],
    ['names that never end', '${'.repeat(60_000), 'x'],
    ['inputs that never end', '${'.concat('{').repeat(60_000), 'x'],
  ])('T30 %s: it is not worked out, and holds up nobody', (_, name, value) => {
    read('app:1');
    const calm = read(`x${'y'.repeat(name.length)}`, 'x'.repeat(value.length)).ms;
    const { reading, ms } = read(name, value);
    expect(ms).toBeLessThan(20 * Math.max(calm, 50));
    if (!reading.ok) throw new Error(reading.reason);
    const [image] = reading.sources.images;
    expect(image?.reference == null || readReference(image.reference) === null).toBe(true);
  });
});

describe('a registry that is asked what a tag stands for', () => {
  let registry: FakeRegistry;
  let other: FakeRegistry;
  const asks = httpRegistries({ ca: null });
  beforeAll(async () => {
    [registry, other] = [await startFakeRegistry(), await startFakeRegistry()];
  });
  beforeEach(() => {
    Object.assign(registry, { users: null, auth: { scheme: 'bearer' }, isTerse: false, broken: null });
    registry.asked.length = 0;
    other.asked.length = 0;
  });
  afterAll(async () => {
    await asks.close();
    await Promise.all([registry.close(), other.close()]);
  });
  const credential = { username: 'gitlab-ci-token', password: 'job-token' };
  const ask = (name: string, more: { allowed?: string[]; credential?: typeof credential | null } = {}) =>
    asks.resolve({
      image: readReference(`${registry.host}/${name}`)!,
      credential: more.credential ?? null,
      allowed: more.allowed ?? [registry.host],
    });

  it('T5 tells the digest of today, with nobody’s credential, the job’s token or its password', async () => {
    const first = registry.tag('acme/app:1', 'one');
    expect(await ask('acme/app:1')).toEqual({ ok: true, digest: first });
    const second = registry.tag('acme/app:1', 'two');
    registry.users = { [credential.username]: credential.password };
    expect(await ask('acme/app:1', { credential })).toEqual({ ok: true, digest: second });
    // A registry asks for more than pulling: it is not asked for.
    const token = registry.asked.find(({ url }) => url.startsWith('/token'));
    expect(new URL(token!.url, 'http://x').searchParams.get('scope')).toBe('repository:acme/app:pull');
    registry.auth = { scheme: 'basic' };
    expect(await ask('acme/app:1', { credential })).toEqual({ ok: true, digest: second });
    registry.isTerse = true;
    expect(await ask('acme/app:1', { credential })).toEqual({ ok: true, digest: second });
  });

  it('T47 asks no host that the policy does not name, follows nothing, and takes no credential elsewhere', async () => {
    registry.tag('acme/app:1', 'one');
    expect(await ask('acme/app:1', { allowed: [] })).toMatchObject({ ok: false, retry: false });
    expect(registry.asked).toEqual([]);
    registry.users = { [credential.username]: credential.password };
    registry.auth = { scheme: 'bearer', realm: `http://${other.host}/token` };
    expect(await ask('acme/app:1', { credential })).toMatchObject({ ok: false, retry: false });
    registry.auth = { scheme: 'bearer', realm: 'file:///etc/passwd' };
    expect(await ask('acme/app:1', { credential })).toMatchObject({ ok: false });
    expect(other.asked).toEqual([]);
    registry.broken = 302;
    expect(await ask('acme/app:1')).toMatchObject({ ok: false, reason: expect.stringContaining('redirects') });
  });

  it('T30 one that is away or fails is worth another try, one that says no is not', async () => {
    registry.tag('acme/app:1', 'one');
    expect(await ask('acme/none:1')).toEqual({ ok: false, retry: false, reason: 'the registry does not have it' });
    registry.broken = 503;
    expect(await ask('acme/app:1')).toMatchObject({ ok: false, retry: true });
    registry.broken = null;
    registry.users = { somebody: 'else' };
    expect(await ask('acme/app:1', { credential })).toMatchObject({ ok: false, retry: false });
  });
});

describe('who may pull for a job', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const logins = (config: unknown, credentials: object[] = []) =>
    registryLogins({
      variables: [
        { key: 'LOGIN', value: base64('host:p') },
        { key: 'DOCKER_AUTH_CONFIG', value: 'ignored: a later one counts' },
        { key: 'DOCKER_AUTH_CONFIG', value: typeof config === 'string' ? config : JSON.stringify(config) },
      ],
      credentials: credentials as JsonObject[],
    });
  const sent = { type: 'registry', url: 'R.example', username: 'gitlab-ci-token', password: 'sent' };
  const user = (of: ReturnType<typeof logins>, image: string) => loginFor(of, readReference(image)!)?.username ?? null;

  it('is the one of DOCKER_AUTH_CONFIG, for most of the path, before the one that GitLab sends, as gitlab-runner looks', () => {
    const config = {
      auths: {
        'https://index.docker.io/v1/': { auth: `${base64('hub:a:b\0\0')}` },
        'r.example/acme': { username: 'path', password: 'p' },
        'r.example': { auth: base64('host:p') },
        'broken.example': { auth: '%%' },
      },
    };
    const of = logins(config, [sent, { type: 'other', url: 'x.example', username: 'x', password: 'x' }]);
    const images = ['alpine', 'r.example/acme/app', 'r.example/acme2/app', 'broken.example/a', 'x.example/a'];
    expect(images.map((image) => user(of, image))).toEqual(['hub', 'path', 'host', null, null]);
    expect(loginFor(of, readReference('alpine')!)?.password).toBe('a:b');
    // As gitlab-runner reads it: variables replaced, `auth` before the rest, an address with its scheme is its host alone.
    const mixed = logins({
      auths: {
        'https://r.example/acme/': { auth: '$LOGIN', username: 'other', password: 'x' },
      },
    });
    expect(user(mixed, 'r.example/elsewhere/app')).toBe('host');
    expect(user(logins('{no json', [sent]), 'r.example/acme/app')).toBe('gitlab-ci-token');
    expect(user(logins({ auths: { 'r.example': {} } }, [sent]), 'r.example/app')).toBe('gitlab-ci-token');
  });

  it('T47 is nobody where a host only begins alike, and no program that the job names', () => {
    expect(user(logins({ auths: { 'r.exam': { auth: base64('a:b') } } }), 'r.example/app')).toBeNull();
    expect(logins({ credsStore: 'evil', credHelpers: { 'r.example': 'evil' } })).toEqual([]);
  });
});

describe('the section of pinned images', () => {
  const base = configurationFor(['make']);
  const pinned = (...images: PinnedImage[]) =>
    withSections({ configuration: base, digest: digestOf(base) }, { images: imagesSection(images) });
  const app = (digit: string): PinnedImage => ({ reference: 'r.example/app:1', digest: D(digit) });

  it('T5 is another configuration when a tag has moved, and both digests are shown', () => {
    const [before, after] = [pinned(app('a')), pinned(app('b'))];
    expect(before.digest).not.toBe(after.digest);
    expect(diffConfigurations(before.configuration, after.configuration)).toMatchObject([
      { section: 'image', path: 'pinned_images.images["r.example/app:1"].digest', before: D('a'), after: D('b') },
    ]);
    expect(digestsOf(imagesSection([app('a'), { reference: 'x', unresolved: 'y' }]))).toEqual({
      'r.example/app:1': D('a'),
      // Approved for one run as it is: that run goes by the name.
      x: BY_NAME,
    });
  });

  it('T57 one of which nobody could tell what it stands for is approved for one run alone', () => {
    const { configuration } = pinned(app('a'), {
      reference: 'r.example/db',
      unresolved: 'the registry does not have it',
    });
    expect(isRunOnly(configuration)).toBe(true);
    expect(isRunOnly(pinned(app('a')).configuration)).toBe(false);
    expect(
      imagesSectionOf({
        ...base,
        pinned_images: { form: 'holdpoint.pinned-images/v1', images: [{ reference: 'a', digest: 'sha256:1' }] },
      }),
    ).toBeNull();
  });

  it('T56 a base image that is built every night is alike where tolerate.images says so, and only that one', () => {
    const text = (images: string[], ...of: PinnedImage[]) =>
      relax(
        pinned(...of).configuration,
        { ...NO_TOLERANCE, images },
        runValuesOf(null, [], () => null),
      ).text;
    expect(text(['r.example/app:*'], app('a'))).toBe(text(['r.example/app:*'], app('b')));
    expect(text(['r.example/base:*'], app('a'))).not.toBe(text(['r.example/base:*'], app('b')));
    const gone: PinnedImage = { reference: 'r.example/app:1', unresolved: 'x' };
    expect(text(['r.example/app:*'], gone)).not.toBe(text(['r.example/app:*'], app('b')));
  });

  it('T32 T38 names variables of the job as the runner would fill them in, and no hidden value', async () => {
    const payload = JSON.parse(fixture('deploy-production.run1'));
    payload.image = { name: '${REGISTRY}/app:$TAG' };
    payload.services = [
      { name: `r.example/db@${D('c')}` },
      { name: 'r.example/$KUBE_TOKEN' },
      { name: 'r.example/$NOBODY:x' },
      { name: 'r.example/$CI_PROJECT_DIR' },
      { name: 'r.example/$FILE' },
      { name: 'r.example/app:${{ job.inputs.version }}' },
      { name: 'r.example/app:${{ job.inputs.nobodys }}' },
    ];
    payload.inputs = [{ key: 'version', value: { type: 'string', content: '3', sensitive: false } }];
    const add = (key: string, value: string, more = {}) =>
      payload.variables.push({ key, value, public: true, masked: false, ...more });
    add('REGISTRY', 'r.example');
    add('TAG', '$MAJOR.2');
    add('MAJOR', '1');
    add('FILE', 'content', { file: true });
    const options = { instance: '', runner: '', variableKey: new Uint8Array(32), verifyIdToken: () => null };
    const reading = readPayload(Buffer.from(JSON.stringify(payload)), options);
    if (!reading.ok) throw new Error(reading.reason);
    const asked: string[] = [];
    const registries = {
      resolve: async ({ image }: { image: { registry: string; repository: string; tag: string } }) => {
        asked.push(`${image.registry}/${image.repository}:${image.tag}`);
        return { ok: true as const, digest: D('d') };
      },
      close: async () => {},
    };
    expect(await pinnedImages(registries, reading.sources, [], true)).toEqual([
      { reference: 'r.example/app:1.2', digest: D('d') },
      { reference: `r.example/db@${D('c')}`, digest: D('c') },
      { reference: 'r.example/$KUBE_TOKEN', unresolved: 'a hidden value stands in its name' },
      { reference: 'r.example/:x', unresolved: 'it is no name of an image' },
      ...['$CI_PROJECT_DIR', '$FILE'].map((name) => ({
        reference: `r.example/${name}`,
        unresolved: 'a value that the host of the runner sets stands in its name',
      })),
      { reference: 'r.example/app:3', digest: D('d') },
      {
        reference: 'r.example/app:${{ job.inputs.nobodys }}',
        unresolved: 'a job input stands in its name whose value is not known',
      },
    ]);
    expect(asked).toEqual(['r.example/app:1.2', 'r.example/app:3']);
  });

  it('T30 the policy that pins names whom to ask', () => {
    const read = policyParts.readPolicy('pin_images: enforce\n', 'policy.yaml');
    const problems = policyProblems(read, { has: () => false, principals: null, now: 0 });
    expect(problems.map(({ severity, path }) => [severity, path.join('.')])).toEqual([['warning', 'pin_images']]);
    expect(() => policyParts.readPolicy('pin_images: record\nregistries: ["http://x"]\n', 'p')).toThrow(
      /registry is a host/,
    );
  });
});
