import { readFileSync } from 'node:fs';
import type { Client, ClientFor, Said } from './client.ts';
import { run } from './run.ts';

const command = (): string => process.env.PYTHON_GITLAB_PATH ?? '/usr/bin/python-gitlab';

/** One request through the package itself: its command has no verb for protected environments of groups. */
const REQUEST = `
import gitlab, json, sys
url, token, path, body = sys.argv[1:]
gl = gitlab.Gitlab(url, private_token=token)
try:
    print(json.dumps(gl.http_post(path, post_data=json.loads(body))))
except gitlab.exceptions.GitlabHttpError as error:
    sys.exit(str(error))
`;

/** python-gitlab's command, as Debian has it. */
export const pythonGitlabClient: ClientFor = (hubUrl, token): Client => {
  const read = ({ exit, out, err }: { exit: number; out: string; err: string }): Said => {
    const status = exit === 0 ? 200 : Number(/(?:^|\W)([45]\d\d): /.exec(err)?.[1] ?? 0);
    const body = exit === 0 && out.trim() !== '' ? JSON.parse(out) : {};
    return { ok: exit === 0, status, body, text: `${out}${err}` };
  };
  const gitlab = async (...args: readonly string[]): Promise<Said> =>
    read(await run(command(), ['--server-url', hubUrl, '--private-token', token, '--output', 'json', ...args]));
  return {
    user: () => gitlab('current-user', 'get'),
    project: (id) => gitlab('project', 'get', '--id', String(id)),
    async protectGroup(group, { name, deployAccess, rules }) {
      const python = /^#!\s*(\S+)/.exec(readFileSync(command(), 'utf8'))?.[1] ?? 'python3';
      const path = `/groups/${encodeURIComponent(group)}/protected_environments`;
      const body = JSON.stringify({ name, deploy_access_levels: deployAccess, approval_rules: rules });
      return read(await run(python, ['-c', REQUEST, hubUrl, token, path, body]));
    },
    deployments: (project, filter) =>
      gitlab(
        ...['project-deployment', 'list', '--project-id', String(project), '--get-all'],
        ...Object.entries(filter).flatMap(([name, value]) => [`--${name.replaceAll('_', '-')}`, value]),
      ),
    deployment: (project, id) =>
      gitlab('project-deployment', 'get', '--project-id', String(project), '--id', String(id)),
    vote: (project, id, { status, comment, representedAs }) =>
      gitlab(
        ...['project-deployment', 'approval', '--project-id', String(project), '--id', String(id), '--status', status],
        ...(comment === undefined ? [] : ['--comment', comment]),
        ...(representedAs === undefined ? [] : ['--represented-as', representedAs]),
      ),
    play: (project, job) => gitlab('project-job', 'play', '--project-id', String(project), '--id', String(job)),
  };
};
