import { answer, fail, ok, type Said, warn } from '../finding.ts';
import type { Check, Observation } from '../observation.ts';
import { given, listText, notSeen, userText } from '../words.ts';

/** Names of users that jobs run as, or could. */
function jobUsers(look: Observation): readonly string[] {
  const running = look.processes.seen
    ? look.processes.value.runners.flatMap(({ uid, jobUser }) => [
        ...(uid === 0 ? [] : [userText(uid, look)]),
        ...(jobUser === null ? [] : [jobUser]),
      ])
    : [];
  return [...new Set(['gitlab-runner', ...running])];
}

export const rootWays: Check = {
  id: 'root_ways',
  title: 'Ways to root',
  means:
    'A member of the group docker is root by one command, and so is whom sudo lets. If that is the user that jobs run as, every job can read the keys of agent or hub and take its place. Other members are told, so that they are known.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.accounts, ({ docker, sudo }) => {
      const jobs = jobUsers(look);
      const found: Said[] = [];
      const members = docker ?? [];
      const direct = members.filter((name) => jobs.includes(name));
      for (const name of direct) {
        found.push(
          fail(
            `${name}, whom jobs run as, is in the group docker: every job can be root`,
            `gpasswd -d ${name} docker; use the docker executor, or rootless docker, for jobs that need containers`,
          ),
        );
      }
      const people = members.filter((name) => !direct.includes(name));
      if (people.length > 0) {
        found.push(
          warn(
            `in the group docker, and so root by one command: ${listText(people)}`,
            'take out who does not administer this host',
          ),
        );
      }
      if (sudo.seen) {
        for (const name of sudo.value.filter((each) => jobs.includes(each) && each !== 'root')) {
          found.push(
            fail(
              `${name}, whom jobs run as, may use sudo: every job can be root`,
              `take ${name} out of sudoers and its groups`,
            ),
          );
        }
      } else found.push(notSeen(sudo));
      const admins = sudo.seen ? sudo.value.filter((name) => !jobs.includes(name)) : [];
      return answer(found, () =>
        ok(
          admins.length === 0
            ? 'nobody becomes root by the group docker or by sudo'
            : `root by sudo, and so able to read the ${look.of}'s keys: ${listText(admins)}`,
        ),
      );
    }),
};
