import { answer, fail, ok, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

export const policy: Check = {
  id: 'policy',
  title: 'Policy',
  means:
    'A policy with a mistake is not used: the last good one stays in force, and after a restart there is none to fall back to. Rules that nobody meets, or that ask for less by a name that pushers choose, are warnings.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.policy, ({ file, errors, warnings }) =>
      answer(
        [
          ...errors.map((each) => fail(each, `mend it; "holdpoint policy check ${file}" says whether it is good`)),
          ...warnings.map((each) => warn(each, 'change it, or leave it knowingly')),
        ],
        () => ok(`${file}: nothing is wrong`),
      ),
    ),
};
