import { HoldpointError } from '../../domain/errors.ts';
import { agentYml, type FirstPeople, policyTestYaml, policyYaml, principalsYaml } from './texts.ts';

/** One `[[runners]]` of gitlab-runner's file. */
export interface FoundRunner {
  readonly index: number;
  readonly name: string;
  readonly url: string | null;
  readonly cloneUrl: string | null;
  readonly token: string | null;
  readonly executor: string | null;
}

/** gitlab-runner's file as it is. */
export interface FoundFile {
  readonly path: string;
  readonly text: string;
  readonly runners: readonly FoundRunner[];
}

/** What an agent.yml that is there already says. */
export interface ExistingAgent {
  readonly gitlabUrl: string;
  readonly gateway: { readonly host: string; readonly port: number };
  readonly runners: readonly { readonly name: string; readonly token: string; readonly gatewayToken?: string }[];
}

/** A file that is to be written. */
export interface Change {
  readonly path: string;
  /** What stands there now; null: nothing. */
  readonly before: string | null;
  readonly after: string;
  /** `token`: never shown, for the agent alone. `rules`: for the agent and root. `runner`: gitlab-runner's, keeps mode and owner. */
  readonly kind: 'token' | 'rules' | 'runner';
}

export interface Plan {
  readonly changes: readonly Change[];
  /** What people must do or know themselves. */
  readonly notes: readonly string[];
}

/** What `init` was told and has found. */
export interface InitFacts {
  readonly dir: string;
  readonly stateDir: string;
  readonly gitlabUrl: string;
  readonly gatewayListen: string;
  readonly hubListen: string;
  readonly people: FirstPeople | null;
  readonly file: FoundFile | null;
  /** Indices of the runners to guard. */
  readonly chosen: readonly number[];
  readonly agent: ExistingAgent | null;
  /** Text of a file, null when there is none. */
  read(path: string): string | null;
  /** A gateway token, new at each call. */
  freshToken(): string;
  /** The text of config.toml with these values set. */
  edit(changes: ReadonlyMap<number, Readonly<Record<string, string>>>): string;
}

/** A name as agent.yml takes it, and as a file can be called. */
function plainName(name: string, index: number, taken: Set<string>): string {
  const plain =
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 80) || `runner-${index + 1}`;
  let free = plain;
  for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${plain}-${n}`;
  taken.add(free.toLowerCase());
  return free;
}

/** Where runners find a gateway that listens there. */
export function gatewayUrl(host: string, port: number): string {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

/** What has to be written; nothing that is there already is overwritten but the lines of config.toml that must change. */
export function planInit(facts: InitFacts): Plan {
  const changes: Change[] = [];
  const notes: string[] = [];
  const create = (name: string, after: string, kind: Change['kind']): void => {
    const path = `${facts.dir}/${name}`;
    const before = facts.read(path);
    if (before === null) changes.push({ path, before, after, kind });
    else if (kind === 'token' && before.trim() !== after.trim())
      throw new HoldpointError(
        'wrong_state',
        `${path} is there, with another token: move it away, or name another folder with --dir`,
      );
    else if (kind === 'rules' && before !== after) notes.push(`${path} is there: it is left as it is`);
  };
  const edits = new Map<number, Readonly<Record<string, string>>>();
  const toml = facts.file;
  const chosen = toml?.runners.filter(({ index }) => facts.chosen.includes(index)) ?? [];
  const listen = placeOfListen(facts.gatewayListen);
  const at = facts.agent?.gateway ?? listen;
  const url = gatewayUrl(at.host, at.port);
  const gitlab = facts.agent?.gitlabUrl ?? facts.gitlabUrl;
  const edit = (runner: FoundRunner, token: string): void => {
    const wanted: Record<string, string> = { url, clone_url: gitlab, token };
    const now: Record<string, string | null> = { url: runner.url, clone_url: runner.cloneUrl, token: runner.token };
    const differ = Object.entries(wanted).filter(([key, value]) => now[key] !== value);
    if (differ.length > 0) edits.set(runner.index, Object.fromEntries(differ));
  };

  if (facts.agent !== null) {
    const { runners } = facts.agent;
    for (const runner of chosen) {
      const known = runners.find(({ token, gatewayToken }) => runner.token === token || runner.token === gatewayToken);
      if (known === undefined) {
        notes.push(
          `runner "${runner.name}" is in no runners[] entry of ${facts.dir}/agent.yml, which is left as it is: list it there, then run init again`,
        );
        continue;
      }
      edit(runner, known.gatewayToken ?? known.token);
      if (known.gatewayToken === undefined)
        notes.push(
          `runner "${runner.name}" keeps GitLab's token in config.toml: give it a gateway_token_file in agent.yml, then run init again`,
        );
    }
  } else {
    const taken = new Set<string>();
    const entries = chosen.map((runner) => {
      const name = plainName(runner.name, runner.index, taken);
      if (runner.token === null)
        throw new HoldpointError(
          'bad_input',
          `runner "${runner.name}" in ${toml?.path} has no token: register it first`,
        );
      const [tokenFile, gatewayTokenFile] = [`${name}.token`, `${name}.gateway`];
      const own = facts.read(`${facts.dir}/${gatewayTokenFile}`)?.trim() || facts.freshToken();
      create(tokenFile, `${runner.token}\n`, 'token');
      create(gatewayTokenFile, `${own}\n`, 'token');
      edit(runner, own);
      return { name, tokenFile, gatewayTokenFile };
    });
    if (facts.people === null)
      throw new HoldpointError('bad_usage', 'who may approve is not known: give --approver and --project');
    create('principals.yaml', principalsYaml(facts.people), 'rules');
    create('policy.yaml', policyYaml(), 'rules');
    create('policy.test.yaml', policyTestYaml(facts.people), 'rules');
    const { gitlabUrl, gatewayListen, hubListen, stateDir } = facts;
    create('agent.yml', agentYml({ gitlabUrl, gatewayListen, hubListen, stateDir, runners: entries }), 'rules');
  }
  if (toml !== null && edits.size > 0)
    changes.push({ path: toml.path, before: toml.text, after: facts.edit(edits), kind: 'runner' });
  return { changes, notes };
}

/** Host and port of what `readKind` has accepted. */
function placeOfListen(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}
