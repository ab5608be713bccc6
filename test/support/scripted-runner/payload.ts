import { decodeGo, parseGo, type Shape } from './go-json.ts';

/** One variable, null values read as empty. */
export interface JobVariable {
  readonly key: string;
  readonly value: string;
  readonly masked: boolean;
  readonly file: boolean;
}
/** One step; `script` is before_script and script together. */
export interface JobStep {
  readonly name: string;
  readonly script: readonly string[];
  readonly when: string;
  readonly allow_failure: boolean;
}
/** What the scripted runner acts on; the runner's own struct has more. */
export interface RunnerJob {
  readonly id: number;
  readonly token: string;
  readonly job_info: { readonly name: string };
  readonly git_info: { readonly repo_url: string };
  readonly runner_info: { readonly timeout: number };
  readonly variables: readonly JobVariable[];
  readonly steps: readonly JobStep[];
  readonly features: { readonly token_mask_prefixes: readonly string[]; readonly failure_reasons: readonly string[] };
  readonly dependencies: readonly { readonly id: number; readonly token: string; readonly name: string }[];
}

const JOB: Shape = {
  id: 'number',
  token: 'string',
  allow_git_fetch: 'bool',
  job_info: { name: 'string', stage: 'string', project_id: 'number', project_name: 'string' },
  git_info: { repo_url: 'string', ref: 'string', sha: 'string', before_sha: 'string', ref_type: 'string' },
  runner_info: { timeout: 'number', runner_session_url: 'any' },
  variables: [{ key: 'string', value: 'string', public: 'bool', file: 'bool', masked: 'bool', raw: 'bool' }],
  steps: [{ name: 'string', script: ['string'], timeout: 'number', when: 'string', allow_failure: 'bool' }],
  hooks: [{ name: 'string', script: ['string'] }],
  features: { trace_sections: 'bool', token_mask_prefixes: ['string'], failure_reasons: ['string'] },
  dependencies: [{ id: 'number', token: 'string', name: 'string' }],
  image: 'any',
  services: 'any',
  artifacts: 'any',
  cache: 'any',
  credentials: 'any',
  inputs: 'any',
  secrets: 'any',
  run: 'any',
  policy_options: 'any',
};

const EMPTY = {
  id: 0,
  token: '',
  job_info: { name: '' },
  git_info: { repo_url: '' },
  runner_info: { timeout: 0 },
  variables: [],
  steps: [],
  features: { token_mask_prefixes: [], failure_reasons: [] },
  dependencies: [],
};

/** The job of a 201 as the runner understands it; throws where the runner would give up on the answer. */
export function readJob(text: string): RunnerJob {
  const job = decodeGo(parseGo(text), JOB, EMPTY, 'Job') as RunnerJob;
  return { ...job, variables: job.variables.map((one) => ({ ...one, value: one.value ?? '' })) };
}
