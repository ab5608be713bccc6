import { answer, fail, ok, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';

export const configuration: Check = {
  id: 'configuration',
  title: 'Configuration',
  means:
    'The agent refuses to start on a configuration with a mistake in it. What is allowed and unwise (tokens over an open network, mode: monitor) is a warning.',
  agent: true,
  look({ settings }) {
    const mend = 'mend it; "holdpoint config" shows what is in force and where it comes from';
    if (!settings.ok) {
      return answer(
        settings.problems.map((problem) =>
          settings.hidden ? skipped(problem, 'run doctor as root or as the user of the agent') : fail(problem, mend),
        ),
        () => fail('it cannot be read', 'name the file with --config'),
      );
    }
    const { file, faults, warnings } = settings.value;
    return answer(
      [
        ...faults.map((fault) => fail(fault, mend)),
        ...warnings.map((warning) => warn(warning, 'change it in agent.yml, or leave it knowingly')),
      ],
      () => ok(`${file ?? 'flags and environment'}: nothing is wrong`),
    );
  },
};
