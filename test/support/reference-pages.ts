import { AGENT_FILE, EXECUTOR_FILE, type FileKind, HUB_FILE } from '../../agent/src/config/file-kinds.ts';
import { ERRORS, type ErrorCode } from '../../agent/src/domain/errors.ts';

/** What each error means and what to do: beside the table of codes, so that none can be without. */
const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  bad_usage: 'The command line is not understood; `--help` of the command says what is.',
  bad_input: 'A value or a file is not what was wanted; the message says what was.',
  bad_config: 'agent.yml, hub.yml, a flag or a variable is wrong; every problem is told with file, line and column.',
  payload_refused: 'A job payload can be read in two ways, or not at all: it has no digest and cannot be approved.',
  variable_key_needed: 'The payload has values that are hashed under a key; give it with `--variable-key-file`.',
  unauthenticated: 'No token, or one that the hub does not know; make one with `holdpoint token create`.',
  token_expired: 'The token has ended; make a new one.',
  forbidden: 'The token has not the scope for it, or the person not the access.',
  not_eligible: 'No rule counts the vote of this person for this Hold; the Hold names who can help.',
  cross_site:
    'A request with the cookie of the page comes from somewhere else than the page, or without its token; load the page again.',
  sign_in_failed: 'The identity provider did not say who signs in, or says somebody whom the hub does not take.',
  step_up_required: 'The policy asks for a fresh sign-in or a passkey for this vote; both are given on the page.',
  self_approval: 'Whoever triggered a job or wrote its commit does not approve it; ask somebody else.',
  not_found: 'There is no such thing, or this person may not see it.',
  removed:
    'The text of what ran or was asked was removed for its age, as the policy says (`retention`); the audit tells who let it run and why.',
  digest_mismatch: 'The Hold has another digest than the one that was looked at: look at it again.',
  wrong_state: 'The Hold, Review, Approval or token has ended or moved on; the message says where it is.',
  hold_conflict: 'Somebody else decided at the same moment, several times over: look again and repeat.',
  scope_not_allowed: 'The policy does not allow so wide a scope; the message says how wide it may be.',
  scope_too_narrow:
    'An approval with this scope would not let the Hold go itself; the message says with which scope it does.',
  blind_values:
    'Nobody has seen a value that whoever started the pipeline may have typed; look at it with `holdpoint holds reveal`.',
  cannot_reveal: 'Hidden values can be shown only while their job is parked at an agent that is connected.',
  approvals_missing: 'A deployment is to be run whose approvals are not complete; it says which rules lack whom.',
  no_deploy_access: 'Approving and deploying are two rights: this person may not run a deployment to this environment.',
  deployment_broken:
    'Somebody has marked this commit as broken in this environment; lift the mark, or deploy another commit.',
  already_protected: 'The environment is protected already: change what protects it.',
  not_protected: 'Nothing protects this environment through the API: there is nothing to change or to approve.',
  no_approval_rules: 'The environment asks for no approvals, only for somebody who may deploy: run the deployment.',
  frozen: 'A freeze window of the policy keeps this back: nothing is released before it ends.',
  comment_required: 'The policy wants a comment with each approve: say why.',
  lifetime_not_allowed: 'The policy does not allow so long a lifetime; the message says how long it may be.',
  too_large: 'A body or an answer is larger than the limit.',
  rate_limited: 'Too many requests in a short time; wait and repeat.',
  audit_broken: 'A row of the audit was changed, removed or inserted; the message says which.',
  not_ready: 'The hub answers, but jobs wait for something else of the same process; the message says for what.',
  store_unavailable: "The hub's database does not answer; its log says why. What is parked stays parked.",
  hub_unreachable: 'Nothing answers as a hub at this address; start one, or name another with `--hub`.',
  provider_unreachable: 'The identity provider cannot be asked; try again, or sign in with a token.',
  ci_unreachable: 'GitLab does not answer, or fails itself; nothing was done, and it can be tried again.',
  internal: 'A mistake in the program, or hub and command line of different versions; please report it.',
};

const MARK =
  'Written by `UPDATE_DOCS=1 npx vitest run --config test/vitest.config.ts test/unit/docs.test.ts`; do not edit.';

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(heads) + line(heads.map(() => '---')) + rows.map(line).join('');
}

function optionsTable({ name, options }: FileKind): string {
  const rows = options.map((option) => [
    `\`${option.written}\`${option.also === null ? '' : ` or \`${option.also}\``}`,
    `\`${option.flag}\``,
    `\`${option.env}\``,
    option.choices.length > 0 ? option.choices.map((choice) => `\`${choice}\``).join(' ') : option.unit,
    option.required ? 'required' : option.default === null ? '' : `\`${option.default}\``,
    option.help,
  ]);
  return table([`key in ${name}`, 'flag', 'variable', 'value', 'default', 'what it is'], rows);
}

/** Text of agent/docs/options.md. */
export function optionsPage(): string {
  return `# Options of \`holdpoint agent\`, \`holdpoint hub\` and \`holdpoint executor\`

${MARK}

A flag beats a variable, a variable beats the file, the file beats the default. The file is \`--config FILE\`,
\`HOLDPOINT_CONFIG\`, or \`/etc/holdpoint/agent.yml\` for \`holdpoint agent\` and \`/etc/holdpoint/hub.yml\` for \`holdpoint hub\`. Times are written \`90s\`, \`10m\`, \`1h\`, \`30d\`. Relative paths of the file
start from its folder, those of flags and variables from the working folder. An unknown key or variable, a wrong type, a
duplicate, an anchor or a merge key is refused at start, all of them at once, with file, line and column.

## holdpoint agent

${optionsTable(AGENT_FILE)}
Runners stand in the file only:

\`\`\`yaml
runners:
  - name: prod-deployer-01
    token_file: prod-deployer-01.token   # mode 600; or token: glrt-…
    protected: true                      # the default: its jobs are gated
    mode: enforce                        # the default; monitor: what would have been parked is recorded, nothing is parked
    gateway_token_file: prod-deployer-01.gateway   # or gateway_token: what config.toml carries instead of GitLab's token
\`\`\`

\`holdpoint config\` shows every setting in force and what it comes from, without secrets; it takes the same flags and variables.

Every name and every token stands once. A runner that asks with a token of no entry is treated as protected. One that has a
gateway token is refused with its real one.

## holdpoint hub

A hub alone, for agents on other hosts. Its file has everything that stands under \`hub:\` in agent.yml, without that word, and what
both processes need. Flags and variables are the same for both.

${optionsTable(HUB_FILE)}
## holdpoint executor

What \`[runners.custom]\` of gitlab-runner calls ([executor](executor.md)). Its file is \`--config FILE\`, \`HOLDPOINT_CONFIG\` or
\`/etc/holdpoint/executor.yml\`; the runner's user must be able to read it, and must not be able to write it. Sizes are written \`64m\`, \`2g\`.

${optionsTable(EXECUTOR_FILE)}
## Commands

Commands that talk to a hub take \`--hub URL\` or \`HOLDPOINT_HUB_URL\` (default \`http://127.0.0.1:8094\`), and the token from
\`--token-file FILE\`, \`HOLDPOINT_TOKEN_FILE\` or \`HOLDPOINT_TOKEN\`, in this order; it is never a flag, since flags stand in \`ps\`.
`;
}

/** Text of agent/docs/errors.md. */
export function errorsPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const rows = codes.map((code) => [
    `\`${code}\``,
    String(ERRORS[code].status),
    String(ERRORS[code].exit),
    MEANINGS[code],
  ]);
  return `# Errors

${MARK}

The HTTP API answers them as RFC 9457 problem documents with this \`code\`; the command line in one line on standard error,
with \`--json\` as \`{"error":{"code","message"}}\`. Codes are stable, texts are not.

${table(['code', 'HTTP status', 'exit code', 'meaning'], rows)}`;
}
