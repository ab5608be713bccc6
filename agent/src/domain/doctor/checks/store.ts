import { type Answer, fail, ok, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

/** PostgreSQL 14 is the oldest that the hub is tried on. */
const OLDEST_SERVER = 14;

export const store: Check = {
  id: 'store',
  title: 'Store',
  means:
    'Holds, approvals and the audit lie in the store of the hub. One that a newer program has written is not opened by an older one; one that takes no writes holds every job.',
  agent: false,
  notOfHub: null,
  look: (look) =>
    given(look.store, ({ name, state, wanted }): Answer => {
      switch (state.outcome) {
        case 'absent':
          return [
            warn(
              `there is no store at ${name} yet`,
              `the ${look.of} makes it at its first start; if it ran already, restore it`,
            ),
          ];
        case 'away':
          return [fail(state.why, 'mend what it names: without its store the hub does not start, and jobs wait')];
        case 'open': {
          const { schema, server, readOnly } = state;
          const what = server === null ? name : `${name} (PostgreSQL ${server})`;
          if (readOnly)
            return [
              fail(`${what} takes no writes`, 'name the server that does in hub.store, or end its read-only mode'),
            ];
          if (server !== null && Number.parseInt(server, 10) < OLDEST_SERVER)
            return [fail(`${what} is older than PostgreSQL ${OLDEST_SERVER}`, 'upgrade the database server')];
          if (schema > wanted)
            return [
              fail(
                `${what} has schema ${schema}, this program knows up to ${wanted}`,
                'start the newer program that wrote it, or restore the backup from before the upgrade ("holdpoint restore")',
              ),
            ];
          if (schema === 0) return [warn(`${what} answers and is empty`, `the ${look.of} fills it at its first start`)];
          return schema < wanted
            ? [
                warn(
                  `${what} has schema ${schema}, this program writes ${wanted}: the hub that runs is older, or none has run since the upgrade`,
                  `make a backup, then start the ${look.of} anew: it brings the store up to date`,
                ),
              ]
            : [ok(`${what} answers, schema ${schema}`)];
        }
        default:
          return state satisfies never;
      }
    }),
};
