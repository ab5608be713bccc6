import { type Answer, answer, fail, ok, type Said, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, sizeText } from '../words.ts';

const MIB = 1024 ** 2;
/** A full parking lot of a thousand jobs is up to 4 GiB; below this it is a matter of hours. */
const WARN_BYTES = 1024 * MIB;
const FAIL_BYTES = 200 * MIB;
const WARN_FILES = 0.05;

export const disk: Check = {
  id: 'disk',
  title: 'Disk',
  means:
    'A job is taken from GitLab only once it lies on disk: with a full disk none is taken in. Memory loses parked jobs with a restart, and SQLite does not keep its word on network file systems.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.disk, ({ path, freeBytes, totalBytes, freeFiles, kind }): Answer => {
      const found: Said[] = [];
      const room = `${path} has ${sizeText(freeBytes)} of ${sizeText(totalBytes)} free`;
      const mend = `free some, or move state_dir to a larger disk (with the ${look.of} stopped)`;
      if (freeBytes < FAIL_BYTES) found.push(fail(room, mend));
      else if (freeBytes < WARN_BYTES) found.push(warn(room, mend));
      if (freeFiles < WARN_FILES)
        found.push(warn(`${path} has ${Math.round(freeFiles * 100)} % of its inodes left`, mend));
      if (kind === 'memory')
        found.push(
          fail(
            `${path} lies in memory: parked jobs, keys and approvals are gone with a restart`,
            'put state_dir on a disk',
          ),
        );
      if (kind === 'network')
        found.push(
          warn(
            `${path} is a network file system: SQLite can lose or break its database there`,
            'put state_dir on a disk of this host',
          ),
        );
      return answer(found, () => ok(room));
    }),
};
