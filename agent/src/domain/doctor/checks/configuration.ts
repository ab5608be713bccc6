import { answer, fail, ok, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';

export const configuration: Check = {
  id: 'configuration',
  title: 'Configuration',
  means:
    'Neither agent nor hub starts on a configuration with a mistake in it. What is allowed and unwise (tokens over an open network, mode: monitor) is a warning.',
  agent: true,
  notOfHub: null,
  look({ settings, of, hubBeside }) {
    const mend =
      of === 'hub'
        ? 'mend it in hub.yml; the hub starts with none of it'
        : 'mend it; "holdpoint config" shows what is in force and where it comes from';
    const user = of === 'hub' ? 'the user of the hub' : 'the user of the agent';
    if (!settings.ok) {
      return answer(
        settings.problems.map((problem) =>
          settings.hidden ? skipped(problem, `run doctor as root or as ${user}`) : fail(problem, mend),
        ),
        () => fail('it cannot be read', 'name the file with --config'),
      );
    }
    const { file, faults, warnings } = settings.value;
    const found = [
      ...faults.map((fault) => fail(fault, mend)),
      ...warnings.map((warning) =>
        warn(warning, `change it in ${of === 'hub' ? 'hub.yml' : 'agent.yml'}, or leave it knowingly`),
      ),
    ];
    const [first = ok(`${file ?? 'flags and environment'}: nothing is wrong`), ...rest] = found;
    // Whoever has both on one host would take the answer for one of both.
    const beside =
      hubBeside === null
        ? []
        : [skipped(`the hub of ${hubBeside} is not looked at`, `holdpoint doctor --hub-config ${hubBeside}`)];
    return [first, ...rest, ...beside];
  },
};
