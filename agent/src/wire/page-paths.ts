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
  breakGlass: '/break-glass',
  deployments: '/deployments',
  people: '/people',
  agents: '/agents',
  audit: '/audit',
  policy: '/policy',
  figures: '/figures',
  passkeys: '/passkeys',
  signIn: '/sign-in',
} as const;

/**
 * Link that signs the first administrator in. What follows the `#` is sent to no server and to nobody who looks a link up
 * beforehand: the page reads it, asks who they are, and posts it on a click.
 */
export function firstLink(hubUrl: string, token: string): string {
  return `${hubUrl.replace(/\/+$/, '')}${PAGE_PATHS.signIn}#first=${token}`;
}

/** Longer than any filter of a view. */
const MAX_RETURN_CHARS = 1_000;
const VIEWS = ['/', ...Object.values(PAGE_PATHS).filter((path) => path !== PAGE_PATHS.signIn)].map(
  (path) => new RegExp(`^${path.replace(':id', '[1-9]\\d{0,14}')}$`),
);

/**
 * Where to go after a sign-in: a view of this page, filters included. Whatever else is asked for, another host above all, is
 * the first view: a link to the sign-in must not become a link to anywhere (T23).
 */
export function returnPath(wanted: string | null | undefined): string {
  const text = wanted ?? '';
  // Browsers take a backslash for a slash, and leave out tabs and line ends, before they look for a host.
  if (!/^\/[\x21-\x5b\x5d-\x7e]*$/.test(text) || text.startsWith('//') || text.length > MAX_RETURN_CHARS) return '/';
  const path = text.split(/[?#]/)[0] ?? '';
  return VIEWS.some((view) => view.test(path)) ? text : '/';
}

/** Name of one of the page's views. */
export type PageView = keyof typeof PAGE_PATHS;
