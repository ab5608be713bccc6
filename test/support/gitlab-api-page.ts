import { V4_ERRORS, type V4Code } from '../../agent/src/hub/v4/error-table.ts';
import { V4Error } from '../../agent/src/hub/v4/errors.ts';
import type { V4Route } from '../../agent/src/hub/v4/route.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
/** The body as it goes out, values left as `{name}`. */
const bodyOf = (code: V4Code): string => {
  const named = [...V4_ERRORS[code].text.matchAll(/\{(\w+)\}/g)].map(([whole, name]) => [name!, whole] as const);
  return JSON.stringify(new V4Error(code, Object.fromEntries(named)).body);
};

/** The table of routes for the reference page. */
export function routesTable(routes: readonly V4Route[]): string {
  const rows = routes.map(
    ({ method, url, scopes, summary }) =>
      `| ${method} \`/api/v4${url}\` | ${scopes.map((scope) => `\`${scope}\``).join(' or ') || 'any'} | ${cell(summary)} |`,
  );
  return ['| route | scope | |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The table of errors for the reference page. */
export function errorsTable(): string {
  const rows = Object.entries(V4_ERRORS).map(([code, row]) => {
    const own = 'own' in row && row.own ? 'ours' : '';
    return `| ${row.status} | \`${cell(bodyOf(code as V4Code))}\` | ${cell(row.when)} | ${own} |`;
  });
  return ['| status | body | when | |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The page with the part between its markers replaced. */
export function withPart(page: string, part: string, text: string): string {
  const match = new RegExp(`(<!-- ${part}:[^\\n]*-->\\n)[\\s\\S]*?(<!-- /${part} -->)`).exec(page);
  if (match === null) throw new Error(`the page has no part ${part}`);
  return page.replace(match[0], () => `${match[1]}\n${text}\n\n${match[2]}`);
}
