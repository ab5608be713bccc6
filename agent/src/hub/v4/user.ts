import { gitlabOrigin, type V4Context } from './context.ts';
import { describer } from './describe.ts';
import type { V4Route } from './route.ts';

/** The GitLab whose deployment and protection API this is, for clients that look before they ask. */
const LIKE_GITLAB = '18.5.0';

/** Who the token speaks for, and what answers. */
export function userRoutes(context: V4Context): readonly V4Route[] {
  const { hub, version } = context;
  return [
    {
      method: 'GET',
      url: '/user',
      summary: 'The person whom the token speaks for.',
      scopes: [],
      handle: async ({ caller: { person } }) => ({
        body: {
          ...(await describer(hub.directory, gitlabOrigin(context)).user(person)),
          bot: person.bot === true,
        },
      }),
    },
    {
      method: 'GET',
      url: '/version',
      summary: 'The version of GitLab that this API is like, with the version of Holdpoint as `revision`.',
      scopes: [],
      handle: async () => ({ body: { version: `${LIKE_GITLAB}-holdpoint`, revision: version } }),
    },
  ];
}
