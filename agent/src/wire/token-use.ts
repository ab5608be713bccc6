/** Header by which our own command line says that it runs inside a job. Whoever means harm leaves it out; it catches accidents. */
export const JOB_HEADER = 'holdpoint-in-job';

/** Variables that only the jobs of a CI system have around them; a bare `CI` is set by many people on their own machines. */
export const JOB_VARIABLES = [
  'CI_JOB_ID',
  'CI_JOB_TOKEN',
  'GITLAB_CI',
  'GITHUB_ACTIONS',
  'JENKINS_URL',
  'BUILDKITE',
  'CIRCLECI',
  'TF_BUILD',
  'TEAMCITY_VERSION',
] as const;

/** True inside a job of a CI system. */
export function isInJob(env: Readonly<Record<string, string | undefined>>): boolean {
  return JOB_VARIABLES.some((name) => (env[name] ?? '') !== '');
}
