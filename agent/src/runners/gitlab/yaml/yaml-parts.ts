import { declaredJobs, type LintedJob, linesOfJobs, readMergedYaml } from './ci-yaml.ts';
import { lint } from './lint.ts';

/** What the command line needs to check a `.gitlab-ci.yml`. */
export const yamlParts = {
  lint,
  jobs: (mergedYaml: string, name: string, linted: readonly unknown[] | null) =>
    declaredJobs(readMergedYaml(mergedYaml, name), linted as readonly LintedJob[] | null),
  linesOfJobs,
};
