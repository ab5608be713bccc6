/** Texts of the first files of an installation. Everything of people's own is quoted as JSON, which YAML reads. */

/** What the first agent.yml says. */
export interface FirstConfig {
  readonly gitlabUrl: string;
  readonly gatewayListen: string;
  readonly hubListen: string;
  readonly stateDir: string;
  readonly runners: readonly {
    readonly name: string;
    /** Names of files beside agent.yml. */
    readonly tokenFile: string;
    readonly gatewayTokenFile: string;
  }[];
}

const q = (text: string): string => (/^[A-Za-z0-9/][A-Za-z0-9/._-]*$/.test(text) ? text : JSON.stringify(text));

/** Text of agent.yml. */
export function agentYml({ gitlabUrl, gatewayListen, hubListen, stateDir, runners }: FirstConfig): string {
  const list = runners.map(
    ({ name, tokenFile, gatewayTokenFile }) => `  - name: ${q(name)}
    token_file: ${q(tokenFile)}             # GitLab's; the agent alone may read it
    gateway_token_file: ${q(gatewayTokenFile)}   # what config.toml carries: good at this gateway only
    protected: true
`,
  );
  return `# Written by "holdpoint init". "holdpoint config" shows what is in force, "holdpoint doctor" whether it guards.
gitlab:
  url: ${q(gitlabUrl)}
gateway:
  listen: ${JSON.stringify(gatewayListen)}
hub:
  listen: ${JSON.stringify(hubListen)}
state_dir: ${q(stateDir)}
principals: principals.yaml
policy: policy.yaml
${runners.length === 0 ? '# No runner was named: each that asks the gateway counts as protected. List them here under runners:\n' : `runners:\n${list.join('')}`}`;
}

/** The first who may approve, and where. */
export interface FirstPeople {
  readonly approvers: readonly { readonly username: string; readonly id: number }[];
  readonly project: { readonly path: string; readonly id: number };
}

/** Text of principals.yaml. */
export function principalsYaml({ approvers, project }: FirstPeople): string {
  const users = approvers.map(
    ({ username, id }) => `  - { id: ${id}, username: ${q(username)}, name: ${q(username)} }\n`,
  );
  const members = approvers.map(({ username }) => `      - { user: ${q(username)}, access_level: maintainer }\n`);
  return `# Who is who. Ids are GitLab's own; read again when it changes. Nobody approves what they triggered or wrote: list at least two.
# GitLab itself can say who belongs to what instead: hub.gitlab_members_token_file in agent.yml.
users:
${users.join('')}groups: []
projects:
  - id: ${project.id}
    path: ${q(project.path)}
    members:
${members.join('')}`;
}

/** Text of the first policy.yaml. */
export function policyYaml(): string {
  return `# What must be approved by whom. As here, one maintainer of the project approves, and nobody what they caused themselves.
# Everything that may stand in it, commented: policy/policy.yaml of this program; "holdpoint policy check" says whether it is good.
rules:
  - { name: maintainers, access_level: maintainer }
self_approval: forbid
lifetimes: { default: standing, max: standing, environments: 30d }
`;
}

/** Text of the cases beside the policy. */
export function policyTestYaml({ approvers, project }: FirstPeople): string {
  const first = q(approvers[0]?.username ?? '');
  const job = `project: ${q(project.path)}`;
  return `# What the policy must do; "holdpoint policy test" and "holdpoint doctor" run it.
cases:
  - name: nobody approves what they triggered
    job: { ${job}, triggered_by: ${first}, authors: [${first}] }
    votes: [{ by: ${first} }]
    expect: { refused: { ${first}: self_approval }, outcome: waiting }
`;
}
