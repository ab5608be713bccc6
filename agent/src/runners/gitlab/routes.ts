/**
 * The closed list of what a runner may ask through the gateway. A path has one spelling: what is not written exactly so
 * (`//`, `%72equest`, `..`, a slash at the end, other case, an absolute URI) is no route, so that nothing misses the gate (T47).
 */
const ROUTES = [
  { kind: 'jobs_request', method: 'POST', path: /^\/api\/v4\/jobs\/request$/, query: false },
  { kind: 'discovery', method: 'GET', path: /^\/api\/v4\/runners\/router\/discovery$/, query: false },
  { kind: 'runner', method: 'POST', path: /^\/api\/v4\/runners$/, query: false },
  { kind: 'runner', method: 'DELETE', path: /^\/api\/v4\/runners$/, query: false },
  { kind: 'runner', method: 'POST', path: /^\/api\/v4\/runners\/verify$/, query: false },
  { kind: 'runner', method: 'DELETE', path: /^\/api\/v4\/runners\/managers$/, query: false },
  { kind: 'runner', method: 'POST', path: /^\/api\/v4\/runners\/reset_authentication_token$/, query: false },
  {
    kind: 'reset_by_id',
    method: 'POST',
    path: /^\/api\/v4\/runners\/([1-9][0-9]{0,14})\/reset_authentication_token$/,
    query: false,
  },
  { kind: 'job_update', method: 'PUT', path: /^\/api\/v4\/jobs\/([1-9][0-9]{0,14})$/, query: false },
  { kind: 'job_trace', method: 'PATCH', path: /^\/api\/v4\/jobs\/([1-9][0-9]{0,14})\/trace$/, query: true },
  { kind: 'artifacts', method: 'POST', path: /^\/api\/v4\/jobs\/([1-9][0-9]{0,14})\/artifacts$/, query: true },
  { kind: 'artifacts', method: 'GET', path: /^\/api\/v4\/jobs\/([1-9][0-9]{0,14})\/artifacts$/, query: true },
] as const;

export type RouteKind = (typeof ROUTES)[number]['kind'];

export interface Route {
  readonly kind: RouteKind;
  /** The number in the path; 0 where there is none. */
  readonly id: number;
  /** What goes upstream: the path, and the query only where the runner has use for one. */
  readonly target: string;
}

/** What a call to GitLab is counted under: the kind of its route, or `api` for what the agent asks by itself. */
export function callName(method: string, path: string): RouteKind | 'api' {
  return routeOf(method, path)?.kind ?? 'api';
}

/** Visible ASCII without the characters that some server reads as something else. */
const PLAIN_QUERY = /^[A-Za-z0-9_.~!$&'()*+,;=:@/?%[\]-]*$/;

/** The route of a request line; null for everything that is not on the list. */
export function routeOf(method: string, url: string): Route | null {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const match = route.path.exec(path);
    if (match === null) continue;
    const keep = route.query && mark >= 0;
    if (keep && !PLAIN_QUERY.test(url.slice(mark + 1))) return null;
    return { kind: route.kind, id: match[1] === undefined ? 0 : Number(match[1]), target: keep ? url : path };
  }
  return null;
}
