import { answer, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

export const version: Check = {
  id: 'version',
  title: 'Versions',
  means:
    'They speak to each other; an older one may lack what a newer one asks for. After an upgrade each has to be started again.',
  agent: false,
  notOfHub: null,
  look: (look) =>
    given(look.hub, ({ url, version: theirs, agents }) => {
      const found: Said[] = [];
      const mend = 'upgrade the older one, and start it again';
      if (theirs !== null && theirs !== look.version)
        found.push(warn(`this program is ${look.version}, the hub at ${url} is ${theirs}`, mend));
      if (agents.seen)
        for (const agent of agents.value)
          if (agent.version !== null && agent.version !== look.version)
            found.push(warn(`this program is ${look.version}, agent ${agent.name} is ${agent.version}`, mend));
      return answer(found, () =>
        theirs === null
          ? skipped(`${url} does not say its version`)
          : ok(
              agents.seen
                ? `all are ${theirs}`
                : `this program and the hub are ${theirs}; agents are seen with a token`,
            ),
      );
    }),
};
