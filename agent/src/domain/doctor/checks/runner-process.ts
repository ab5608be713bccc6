import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, sameServer, shownUrl } from '../words.ts';

export const runnerProcess: Check = {
  id: 'runner_process',
  title: 'Runners that run',
  means:
    'A gitlab-runner that was started with another file or with --url goes where that says, whatever the usual config.toml has in it: a second runner beside the guarded one is a way around the gate. On the host of a hub by itself none should run at all: the keys that approvals are signed with lie there.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.processes, ({ runners }) => {
      if (look.of === 'hub')
        return answer(
          runners.map(({ pid, config }) =>
            warn(
              `gitlab-runner, process ${pid}, (${config}) runs its jobs on the host of the hub, beside the keys that approvals are signed with`,
              'move the runner, or the hub, to a host of its own',
            ),
          ),
          () => ok('no gitlab-runner runs on this host'),
        );
      const known = look.runnerFiles.seen ? look.runnerFiles.value.map(({ path }) => path) : [];
      const found = runners.flatMap(({ pid, config, url }): Said[] => {
        const which = `gitlab-runner, process ${pid},`;
        if (url !== null && look.settings.ok && sameServer(url, look.settings.value.gitlabUrl)) {
          return [
            fail(
              `${which} was started for ${shownUrl(url)}, past the gateway`,
              'stop it, and start it with the config.toml that names the gateway',
            ),
          ];
        }
        if (!look.runnerFiles.seen)
          return [skipped(`${which} uses ${config}: ${look.runnerFiles.why}`, look.runnerFiles.mend)];
        return known.includes(config)
          ? [ok(`${which} uses ${config}`)]
          : [
              warn(
                `${which} uses ${config}, which was not looked at`,
                `run doctor again with --runner-config ${config}`,
              ),
            ];
      });
      return answer(found, () =>
        skipped(
          'no gitlab-runner runs on this host',
          'if it runs in a container or elsewhere, look there: its url must be the gateway',
        ),
      );
    }),
};
