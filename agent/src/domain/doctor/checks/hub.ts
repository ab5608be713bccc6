import { answer, fail, ok, type Said, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given, notSeen } from '../words.ts';

export const hub: Check = {
  id: 'hub',
  title: 'Hub',
  means:
    'Decisions are made on the hub and reach the agents over the link. Its own word (/readyz) says whether jobs wait because of something; its list of agents needs a token.',
  agent: false,
  notOfHub: null,
  look: (look) => {
    // Beside an agent its hub may well be stopped; a host that is there for the hub alone has one that runs.
    if (look.of === 'hub' && !look.hub.seen)
      return [fail(look.hub.why, 'systemctl start holdpoint-hub; its log says why it does not run')];
    return given(look.hub, ({ url, ready, problems, agents }) => {
      const found: Said[] = [];
      const text = problems.join('; ');
      if (ready === 'not_ready')
        found.push(fail(`${url}: ${text || 'not ready'}`, 'mend what it names; its log says more'));
      if (ready === 'degraded')
        found.push(warn(`${url}: ${text || 'degraded'}`, 'mend what it names; "holdpoint agents" says it in full'));
      if (agents.seen) {
        for (const { name } of agents.value.filter(({ connected }) => !connected))
          found.push(
            fail(
              `agent ${name} is not linked to ${url}: what it parks is not handed out`,
              'see the log of that agent; it connects again by itself',
            ),
          );
        for (const { name, warnings } of agents.value)
          for (const words of warnings)
            found.push(warn(`agent ${name}: ${words}`, 'mend what it names; "holdpoint agents" says it too'));
        if (agents.value.length === 0)
          found.push(fail(`${url} knows no agent: nothing is guarded`, 'start "holdpoint agent"'));
      } else found.push(notSeen(agents));
      return answer(found.some(({ status }) => status !== 'skipped') ? found : [ok(`${url} is ready`), ...found], () =>
        ok(`${url} is ready`),
      );
    });
  },
};
