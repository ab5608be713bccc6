import type { Client, ClientFor, Said } from './client.ts';
import { run } from './run.ts';

/** curl with form bodies, as GitLab's documentation shows it. */
export const curlClient: ClientFor = (hubUrl, token): Client => {
  const curl = async (method: string, path: string, form: readonly string[] = []): Promise<Said> => {
    const { out, err } = await run(process.env.CURL_PATH ?? 'curl', [
      ...['--silent', '--show-error', '--noproxy', '*', '--request', method],
      ...['--header', `PRIVATE-TOKEN: ${token}`, '--write-out', '\n%{http_code}'],
      ...form.flatMap((field) => ['--data-urlencode', field]),
      `${hubUrl}/api/v4${path}`,
    ]);
    const at = out.lastIndexOf('\n');
    const status = Number(out.slice(at + 1));
    const text = out.slice(0, Math.max(0, at));
    const body = text === '' ? {} : JSON.parse(text);
    return { ok: status >= 200 && status < 300, status, body, text: `${text}${err}` };
  };
  const of = (project: number | string) => `/projects/${encodeURIComponent(project)}`;
  return {
    user: () => curl('GET', '/user'),
    project: (id) => curl('GET', of(id)),
    protectGroup(group, { name, deployAccess, rules }) {
      const fields = (list: string, elements: readonly object[]) =>
        elements.flatMap((one) => Object.entries(one).map(([member, value]) => `${list}[][${member}]=${value}`));
      return curl('POST', `/groups/${encodeURIComponent(group)}/protected_environments`, [
        `name=${name}`,
        ...fields('deploy_access_levels', deployAccess),
        ...fields('approval_rules', rules),
      ]);
    },
    deployments: (project, filter) => curl('GET', `${of(project)}/deployments?${new URLSearchParams(filter)}`),
    deployment: (project, id) => curl('GET', `${of(project)}/deployments/${id}`),
    vote: (project, id, { status, comment, representedAs }) =>
      curl('POST', `${of(project)}/deployments/${id}/approval`, [
        `status=${status}`,
        ...(comment === undefined ? [] : [`comment=${comment}`]),
        ...(representedAs === undefined ? [] : [`represented_as=${representedAs}`]),
      ]),
    play: (project, job) => curl('POST', `${of(project)}/jobs/${job}/play`),
  };
};
