import type { HubContext } from '../../app/hub-context.ts';
import type { Log } from '../../ports/log.ts';

/** What the routes of GitLab's API need besides the verbs. */
export interface V4Context {
  readonly hub: HubContext;
  /** Origin of the GitLab that people know, for links to users and projects; null: the hub's own. */
  readonly gitlabUrl: string | null;
  readonly log: Log;
  /** Version of the program. */
  readonly version: string;
}

/** Origin for links to what GitLab has, without a trailing slash. */
export function gitlabOrigin({ hub, gitlabUrl }: Pick<V4Context, 'hub' | 'gitlabUrl'>): string {
  return (gitlabUrl ?? hub.externalUrl()).replace(/\/+$/, '');
}
