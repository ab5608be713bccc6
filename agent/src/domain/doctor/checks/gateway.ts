import { type Answer, fail, ok, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

export const gateway: Check = {
  id: 'gateway',
  title: 'Gateway',
  means: 'Without the gateway a guarded runner gets no job at all: nothing runs unapproved, and nothing runs.',
  agent: false,
  notOfHub: 'a hub has no gateway; each of its agents has one',
  look: (look) =>
    given(look.gateway, (found): Answer => {
      const { host, port } = (look.settings.ok ? look.settings.value.gateway : null) ?? { host: '', port: 0 };
      const where = `${host}:${port}`;
      switch (found) {
        case 'ours':
          return [ok(`it answers on ${where}`)];
        case 'away':
          return [
            warn(
              `nothing listens on ${where}: the agent does not run, and guarded runners get no jobs`,
              'start it: systemctl start holdpoint-agent, or "holdpoint agent"',
            ),
          ];
        case 'other':
          return [
            fail(
              `something else than this gateway answers on ${where}`,
              'stop what listens there, or choose another gateway.listen and change config.toml with it',
            ),
          ];
        default:
          return found satisfies never;
      }
    }),
};
