import { type Answer, ok, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

const DAY_MS = 86_400_000;
/** A host that was set up today need not have one yet. */
const FIRST_MS = 2 * DAY_MS;
/** What was decided since is lost with the disk. */
const OLD_MS = 7 * DAY_MS;

const days = (ms: number): string => {
  const count = Math.floor(ms / DAY_MS);
  return count < 1 ? 'less than a day' : count === 1 ? 'a day' : `${count} days`;
};

export const backup: Check = {
  id: 'backup',
  title: 'Last backup',
  means:
    'With the disk go approvals, the audit, and the keys without which no approved digest with a hidden value is found again. Told by what "holdpoint backup" leaves in state_dir; a backup that is made in another way is not seen.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.backup, ({ lastAt, sinceMs }): Answer => {
      const mend = 'run "holdpoint backup --out FOLDER" every day, and keep what it makes on another machine';
      if (lastAt === null) {
        const text = `no backup was made, and the state is ${days(sinceMs)} old`;
        return [sinceMs > FIRST_MS ? warn(text, mend) : ok(text)];
      }
      const age = look.now - lastAt;
      const text = `the last backup is ${days(age)} old`;
      return [age > OLD_MS ? warn(text, mend) : ok(text)];
    }),
};
