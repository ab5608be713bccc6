/**
 * Paths of the page's own views, as the hub's router writes them: the hub answers each with the page, the page shows the
 * view. Anything else is not found, so that a mistyped address never looks like an empty view.
 */
export const PAGE_PATHS = {
  inbox: '/inbox',
  hold: '/holds/:id',
  holds: '/holds',
  review: '/reviews/:id',
  approvals: '/approvals',
  deployments: '/deployments',
  people: '/people',
  agents: '/agents',
  audit: '/audit',
  policy: '/policy',
  figures: '/figures',
  signIn: '/sign-in',
} as const;

/**
 * Link that signs the first administrator in. What follows the `#` is sent to no server and to nobody who looks a link up
 * beforehand: the page reads it, asks who they are, and posts it on a click.
 */
export function firstLink(hubUrl: string, token: string): string {
  return `${hubUrl.replace(/\/+$/, '')}${PAGE_PATHS.signIn}#first=${token}`;
}

/** Name of one of the page's views. */
export type PageView = keyof typeof PAGE_PATHS;
