import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, listText, userText } from '../words.ts';

export const sameUser: Check = {
  id: 'same_user',
  title: 'User of its own',
  means:
    'A process of the same user can read the memory of agent or hub, its keys and its state. gitlab-runner, and whom it runs jobs as, must be somebody else; root can always.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.processes, ({ runners, sameUser: others }) => {
      const { agentUid } = look;
      const whose = `the ${look.of}`;
      if (agentUid === null) return [skipped(`${whose} has not run yet: its user is seen once state_dir is there`)];
      const agent = userText(agentUid, look);
      const found: Said[] = [];
      if (agentUid === 0)
        found.push(
          warn(
            `${whose} runs as root: whatever is wrong with it is wrong with the host`,
            'give it a user of its own; the unit of this program has one',
          ),
        );
      for (const { pid, uid, jobUser } of runners) {
        const jobs = jobUser !== null && jobUser === agent;
        if ((uid === agentUid && uid !== 0) || jobs) {
          found.push(
            fail(
              `gitlab-runner, process ${pid}, ${jobs ? 'runs jobs' : 'runs'} as ${agent}, the user of ${whose}: a job can read keys and approve itself`,
              `give ${whose} a user of its own (systemd/holdpoint.sysusers), and chown state_dir and its files to it`,
            ),
          );
        }
      }
      const foreign = agentUid === 0 ? [] : others.filter(({ pid }) => !runners.some((runner) => runner.pid === pid));
      if (foreign.length > 0) {
        found.push(
          warn(
            `other processes run as ${agent}: ${listText(foreign.map(({ pid, name }) => `${name} (${pid})`))}`,
            `they can read keys and memory of ${whose}: let them run as somebody else`,
          ),
        );
      }
      return answer(found, () => ok(`no other process runs as ${agent}`));
    }),
};
