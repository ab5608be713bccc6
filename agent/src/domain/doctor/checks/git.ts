import { fail, ok, type Said, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

/** What the package recommends, and what the settings with which git is called are tried with. */
const WANTED = [2, 39] as const;

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < WANTED[0] || (major === WANTED[0] && minor < WANTED[1]);
}

export const git: Check = {
  id: 'git',
  title: 'Git',
  means:
    'The agent reads the files of covered_files with git, version 2.39 or later. Without it a job whose policy covers files waits, and is approved for one run alone.',
  agent: true,
  notOfHub: 'files are read by agents, on their hosts',
  look: ({ git: found, policy }) =>
    given(found, (version) => {
      if (version !== null && !isOld(version)) return [ok(`git ${version}`)];
      const what = version === null ? 'git is not installed on this host' : `git ${version} is too old, wanted 2.39`;
      const mend = 'install git 2.39 or later where the agent runs; a container image takes it from its base';
      if (!policy.seen) return [warn(`${what}: jobs wait where the policy of the hub has covered_files`, mend)];
      const said: Said = policy.value.coversFiles
        ? fail(`${what}, and the policy has covered_files: such jobs wait`, mend)
        : ok(`${what}; no policy here has covered_files`);
      return [said];
    }),
};
