import { answer, fail, ok, skipped } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, listText } from '../words.ts';

export const policyTests: Check = {
  id: 'policy_tests',
  title: 'Tests of the policy',
  means: 'Cases (*.test.yaml beside the policy) say what a policy must do: who may approve, what waits, what passes.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.policy, ({ file, tests }) => {
      const cases = tests.reduce((sum, each) => sum + each.cases, 0);
      return answer(
        tests.flatMap((test) => [
          ...test.problems.map((each) => fail(each, `mend it; "holdpoint policy test ${test.file}" runs it`)),
          ...(test.failed.length > 0
            ? [
                fail(
                  `${test.file}: not as wanted: ${listText(test.failed)}`,
                  `"holdpoint policy test ${test.file}" says how`,
                ),
              ]
            : []),
        ]),
        () =>
          tests.length === 0
            ? skipped(`there are no cases beside ${file}`, 'write some: policy.test.yaml of this program is an example')
            : ok(`${cases} cases in ${tests.length} files pass`),
      );
    }),
};
