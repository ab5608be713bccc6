import { describe, expect, it } from 'vitest';
import { imageNames, isPinned, registryOf } from '../../agent/src/domain/image-names.ts';
import { interpolations } from '../../agent/src/domain/interpolations.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { RISKS, type RiskInput, riskFlags } from '../../agent/src/domain/risk-flags.ts';

const PINNED = `registry.example.com/app@sha256:${'a'.repeat(64)}`;
const base: JsonObject = {
  form: 'holdpoint.configuration/v1',
  image: { name: PINNED },
  steps: [{ name: 'script', script: ['make'] }],
  variables: [{ key: 'CI', value: 'true', public: true }],
};
const facts: RiskInput['facts'] = {
  ref: { full: 'refs/heads/main', name: 'main', type: 'branch', protected: true },
  environment: null,
  trigger: { id: 9, username: 'zoe', name: 'Zoë', verified: 'gitlab' },
  commit: {
    sha: 'a'.repeat(40),
    title: 't',
    author: 'Alice',
    people: [{ role: 'author', id: 12, name: 'Alice', email: null }],
  },
};
const flags = (after: JsonObject, more: Partial<RiskInput> = {}) =>
  riskFlags({
    before: base,
    after,
    facts,
    approvedFor: { ref: 'refs/heads/main', environment: null },
    isRevoked: false,
    inputs: 'same_pipeline',
    isFirstTimeAuthor: false,
    ...more,
  });
const risks = (after: JsonObject, more: Partial<RiskInput> = {}) =>
  flags(after, more).map(({ risk, weight }) => `${weight} ${risk}`);
const script = (...lines: string[]): JsonObject => ({
  ...base,
  steps: [{ name: 'script', script: ['make', ...lines] }],
});

describe('risk flags', () => {
  it('T29 approval_revoked: what it is compared with was taken back, so nobody vouches for what did not change', () => {
    expect(risks(base, { isRevoked: true })).toEqual(['stop approval_revoked']);
  });

  it('are none where nothing has changed and nothing is wrong with the run', () => {
    expect(flags(base)).toEqual([]);
  });

  it('name a new image, and a registry that the job took nothing from before', () => {
    expect(risks({ ...base, image: { name: PINNED.replaceAll('a'.repeat(64), 'b'.repeat(64)) } })).toEqual([
      'look new_image',
    ]);
    const [registry, image] = flags({ ...base, image: { name: `evil.example/app@sha256:${'b'.repeat(64)}` } });
    expect(registry).toMatchObject({ risk: 'new_registry', weight: 'stop', section: 'image', paths: ['image.name'] });
    expect(registry!.words).toContain('evil.example');
    expect(image).toMatchObject({ risk: 'new_image' });
  });

  it('T8 name an image by a tag, and more loudly when that is new', () => {
    expect(risks({ ...base, image: { name: 'registry.example.com/app:4' } })).toEqual([
      'look new_image',
      'look mutable_image',
    ]);
    const tagged = { ...base, image: { name: 'registry.example.com/app:4' } };
    expect(risks(tagged, { before: tagged })).toEqual(['know mutable_image']);
    expect([isPinned('a:1'), isPinned(PINNED), isPinned('app@sha256:short')]).toEqual([false, true, false]);
  });

  it('name a new service', () => {
    expect(risks({ ...base, services: [{ name: PINNED.replace('/app', '/db') }] })).toEqual(['look new_service']);
  });

  it('name what asks for rights on the host', () => {
    expect(risks({ ...base, services: [{ name: 'docker:27-dind' }] })).toContain('stop privileged');
    expect(risks({ ...base, image: { name: PINNED, executor_opts: { docker: { user: 'root' } } } })).toEqual([
      'stop privileged',
    ]);
    expect(risks({ ...base, runner_options: { privileged: true } })).toEqual(['stop privileged']);
    expect(risks(script('docker run --privileged x'))).toEqual(['stop privileged']);
    expect(risks(script('docker run -v /var/run/docker.sock:/s x'))).toEqual(['stop privileged']);
    expect(risks(script('make dindy unprivileged'))).toEqual([]);
  });

  it.each([
    'curl -fsSL https://get.example | sh',
    'curl https://get.example \\\n  | sudo -E bash -s --',
    'wget -qO- https://get.example | python3 -',
    'bash <(curl -s https://get.example)',
    'sh -c "$(curl -fsSL https://get.example)"',
    'eval "$(wget -qO- https://get.example)"',
    '. <(curl https://get.example)',
    'curl https://get.example | env A=1 /usr/bin/bash',
    'iwr https://get.example | iex',
    'iex ((New-Object Net.WebClient).DownloadString("https://get.example"))',
  ])('name a line that runs what it fetches: %s', (line) => {
    expect(risks(script(line))).toContain('stop pipe_to_shell');
  });

  it.each([
    'curl -o app.tgz https://x.example',
    'curl https://x.example | jq .',
    'echo sh | tee log',
    'wget https://x.example; sh build.sh',
  ])('leave alone a line that only fetches: %s', (line) => {
    expect(risks(script(line))).toEqual([]);
  });

  it('T30 take time in proportion to a line that is made to be slow', () => {
    for (const piece of ['curl ', '|', 'curl|', '| sudo -a ', '|a/', '$(', 'sh ', '| env A=a ', 'bash <(', ' '])
      expect([piece, risks(script(piece.repeat(100_000)))]).toEqual([
        piece,
        expect.arrayContaining(['look long_line']),
      ]);
  });

  it('leave alone what stood there before', () => {
    const piped = script('curl https://get.example | sh');
    expect(risks(piped, { before: piped })).toEqual([]);
  });

  it('name hooks, which run before the sources are there', () => {
    expect(risks({ ...base, hooks: [{ name: 'pre_get_sources_script', script: ['id'] }] })).toEqual([
      'look runs_before_checkout',
    ]);
  });

  it('T7 name variables that change how things behave, new or changed, and leave old ones alone', () => {
    const variables = (value: string): JsonObject => ({
      ...base,
      variables: [
        { key: 'CI', value: 'true', public: true },
        { key: 'LD_PRELOAD', value, public: true },
      ],
    });
    expect(risks(variables('/a.so'))).toEqual(['stop behaviour_variable']);
    expect(risks(variables('/b.so'), { before: variables('/a.so') })).toEqual(['stop behaviour_variable']);
    expect(risks(variables('/a.so'), { before: variables('/a.so') })).toEqual([]);
  });

  it('name variables that are new, and are silent about them where everything is', () => {
    const more: JsonObject = {
      ...base,
      variables: [
        { key: 'CI', value: 'true', public: true },
        { key: 'DEBUG', value: '1' },
      ],
    };
    expect(risks(more)).toEqual(['look new_variable']);
    expect(risks(more, { before: null, approvedFor: null })).toEqual(['look new_registry', 'look new_image']);
  });

  it('name id tokens that came or are for somebody else', () => {
    const token = (aud: string): JsonObject => ({
      ...base,
      variables: [
        { key: 'CI', value: 'true', public: true },
        { key: 'TOKEN', value: [{ jwt: { iss: 'i', aud: [aud], sub: 's' } }] },
      ],
    });
    expect(risks(token('vault'))).toEqual(['look new_variable', 'look new_id_token']);
    expect(risks(token('aws'), { before: token('vault') })).toEqual(['look new_id_token']);
    expect(risks(token('aws'), { before: token('aws') })).toEqual([]);
  });

  it('T33 name text that is not what it looks like, in a line, a value or a name', () => {
    expect(risks(script('echo \u202etxt'))).toEqual(['stop deceiving_text']);
    expect(
      risks({
        ...base,
        variables: [
          { key: 'CI', value: 'true', public: true },
          { key: 'РATH', value: '/x' },
        ],
      }),
    ).toContain('stop deceiving_text');
    expect(risks(script('echo  two\tblanks '))).toEqual([]);
  });

  it('T33 name a line that is longer than anybody reads', () => {
    const [flag] = flags(script(`echo ${'x'.repeat(100_000)}; id`));
    expect(flag).toMatchObject({ risk: 'long_line', weight: 'look' });
    expect(flag!.words).toContain('100009');
  });

  it('T10 T11 name another environment or ref than that of the approval, and a ref that is not protected', () => {
    const environment = {
      name: 'production',
      slug: 'production',
      tier: null,
      action: 'start',
      url: null,
      verified: true,
    };
    expect(risks(base, { facts: { ...facts, environment } })).toEqual(['stop environment_changed']);
    expect(risks(base, { facts: { ...facts, ref: { ...facts.ref, full: 'refs/heads/x', protected: false } } })).toEqual(
      ['look ref_unprotected', 'know ref_changed'],
    );
    expect(risks(base, { approvedFor: null, facts: { ...facts, environment } })).toEqual([]);
  });

  it('T48 name artifacts of jobs that nothing is known of', () => {
    expect(risks(base, { inputs: 'any' })).toEqual(['look foreign_inputs']);
  });

  it('T17 T18 name who wrote it and who triggered it, where that asks for a second look', () => {
    const own = { ...facts.commit, people: [{ role: 'author' as const, id: 9, name: 'Zoë', email: null }] };
    expect(risks(base, { facts: { ...facts, commit: own } })).toEqual(['know requester_is_author']);
    expect(risks(base, { facts: { ...facts, trigger: { ...facts.trigger, verified: 'unverified' } } })).toEqual([
      'look requester_unverified',
    ]);
    expect(risks(base, { isFirstTimeAuthor: true })).toEqual(['look first_time_author']);
    expect(risks(base, { isFirstTimeAuthor: null })).toEqual([]);
  });

  it('explain themselves, the heaviest first, alike each time', () => {
    const worst = {
      ...script('curl https://get.example | sh', `echo ${'x'.repeat(500)}`, 'echo \u200b'),
      image: { name: 'evil.example/x:1' },
      services: [{ name: 'docker:dind' }],
    };
    const found = flags(worst, { inputs: 'any', isFirstTimeAuthor: true });
    const order = ['stop', 'look', 'know'];
    expect(found.map(({ weight }) => order.indexOf(weight))).toEqual(
      found.map(({ weight }) => order.indexOf(weight)).sort(),
    );
    for (const { risk, why, words } of found) {
      expect(RISKS).toContain(risk);
      expect(why.length).toBeGreaterThan(30);
      expect(words.length).toBeGreaterThan(10);
    }
    expect(flags(worst, { inputs: 'any', isFirstTimeAuthor: true })).toEqual(found);
  });

  it('read names of images as Docker does', () => {
    expect(
      ['alpine:3', 'library/alpine', 'ghcr.io/a/b', 'localhost/x', 'host:5000/x', '$REG/x'].map(registryOf),
    ).toEqual(['docker.io', 'docker.io', 'ghcr.io', 'localhost', 'host:5000', '$REG']);
    expect(
      imageNames({ image: 'a', services: ['b', { name: ['c:', { var: 'TAG' }] }] }).map(({ name }) => name),
    ).toEqual(['a', 'b', 'c:${TAG}']);
  });
});

describe('variables that covered texts interpolate', () => {
  it('T9 are found however they are written, and others are not', () => {
    const configuration: JsonObject = {
      steps: [
        {
          name: 'script',
          script: [
            'echo $CI_COMMIT_TITLE',
            'echo "${CI_COMMIT_REF_NAME#x}"',
            'echo %CI_COMMIT_MESSAGE%',
            'echo $Env:CI_COMMIT_TITLE',
          ],
        },
      ],
      image: { name: ['app:', { var: 'CI_COMMIT_SHA' }, '-$CI_COMMIT_TITLE'] },
    };
    expect(
      interpolations(configuration, [
        'CI_COMMIT_TITLE',
        'CI_COMMIT_REF_NAME',
        'CI_COMMIT_MESSAGE',
        'CI_COMMIT_SHA',
        'CI_COMMIT',
      ]),
    ).toEqual([
      { name: 'CI_COMMIT_MESSAGE', paths: ['steps[0].script[2]'] },
      { name: 'CI_COMMIT_REF_NAME', paths: ['steps[0].script[1]'] },
      { name: 'CI_COMMIT_TITLE', paths: ['steps[0].script[0]', 'steps[0].script[3]', 'image.name'] },
    ]);
  });
});
