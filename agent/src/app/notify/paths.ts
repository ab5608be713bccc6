/** Paths of the page that notices lead to; a test holds them against the page's own. */
export const PAGES = {
  inbox: '/inbox',
  policy: '/policy',
  agents: '/agents',
  audit: '/audit',
  approvals: '/approvals',
  hold: (id: number) => `/holds/${id}`,
  review: (id: number) => `/reviews/${id}`,
} as const;
