import { answer, ok, warn } from '../finding.ts';
import { type Check, seen } from '../observation.ts';
import { entriesOf, entryText, given } from '../words.ts';

export const jobRouter: Check = {
  id: 'job_router',
  title: 'Job router',
  means:
    'With FF_USE_JOB_ROUTER a runner asks GitLab where to get its jobs and would then get them past the gateway. The gateway says that there is no router, so the runner falls back to asking it; the flag is one mistake away from a bypass.',
  agent: true,
  notOfHub: 'runners ask the gateways of agents, on their hosts',
  look: (look) =>
    given(look.runnerFiles.seen || look.processes.seen ? seen(true) : look.runnerFiles, () => {
      const mend = 'take FF_USE_JOB_ROUTER out of feature_flags, environment and the unit of gitlab-runner';
      const processes = look.processes.seen ? look.processes.value.runners : [];
      return answer(
        [
          ...entriesOf(look)
            .filter(({ usesRouter }) => usesRouter)
            .map((entry) => warn(`${entryText(entry)} has FF_USE_JOB_ROUTER on`, mend)),
          ...processes
            .filter(({ usesRouter }) => usesRouter === true)
            .map(({ pid }) => warn(`gitlab-runner, process ${pid}, has FF_USE_JOB_ROUTER in its environment`, mend)),
        ],
        () => {
          const blind = processes.filter(({ usesRouter }) => usesRouter === null).length;
          return blind === 0
            ? ok('FF_USE_JOB_ROUTER is on nowhere')
            : ok(
                `FF_USE_JOB_ROUTER is in no config.toml; the environment of ${blind} running gitlab-runner was not seen (root sees it)`,
              );
        },
      );
    }),
};
