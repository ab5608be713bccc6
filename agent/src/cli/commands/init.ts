import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { systemErrorWords } from '../../config/system-error.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import type { CommandContext } from '../context.ts';
import { type Change, type ExistingAgent, type FoundFile, type Plan, planInit } from '../init/plan.ts';
import {
  answerTo,
  type Question,
  readApprovers,
  readChosen,
  readOption,
  readProject,
  readYes,
} from '../init/questions.ts';
import { shownTomlLine, unifiedDiff } from '../init/shown-diff.ts';
import type { SetupParts } from '../parts.ts';

interface Flags {
  readonly dir: string;
  readonly user: string;
  readonly runnerConfig?: string;
  readonly runner?: string[];
  readonly gitlabUrl?: string;
  readonly gatewayListen?: string;
  readonly hubListen?: string;
  readonly stateDir?: string;
  readonly approver?: string[];
  readonly project?: string;
  readonly yes?: boolean;
}

const DEFAULT_GATEWAY = '127.0.0.1:8093';

/** 192 bits behind the prefix that gitlab-runner expects of a token. */
const freshToken = (): string => `glrt-${randomBytes(24).toString('hex')}`;

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new HoldpointError(
      'bad_input',
      `cannot read ${path}: ${systemErrorWords(error)}; run it as root, or name another with --dir`,
    );
  }
}

/** gitlab-runner's file: the one that was named, or where it keeps it. */
function findFile(flags: Flags, { io }: CommandContext, setup: SetupParts): FoundFile | null {
  const named = flags.runnerConfig === undefined ? null : resolve(io.cwd, flags.runnerConfig);
  const usual = [
    '/etc/gitlab-runner/config.toml',
    ...(io.env.HOME ? [join(io.env.HOME, '.gitlab-runner/config.toml')] : []),
  ];
  for (const path of named === null ? usual : [named]) {
    const text = readOrNull(path);
    if (text !== null) return { path, text, runners: setup.readRunners(text, basename(path)) };
  }
  if (named === null) return null;
  throw new HoldpointError('bad_usage', `--runner-config: there is no ${named}`);
}

function existingAgent(dir: string, io: CommandContext['io']): ExistingAgent | null {
  const config = join(dir, 'agent.yml');
  if (readOrNull(config) === null) return null;
  const { gitlab, gateway, runners } = loadConfig({ flags: { config }, env: {}, cwd: io.cwd });
  return { gitlabUrl: gitlab.url, gateway: gateway.listen, runners };
}

/** Which runners to guard where nobody says: the only one, or those that agent.yml knows. */
function usualChoice(file: FoundFile, agent: ExistingAgent | null): string | null {
  if (agent !== null) {
    const tokens = agent.runners.flatMap(({ token, gatewayToken }) => [token, gatewayToken]);
    const known = file.runners.filter(({ token }) => token !== null && tokens.includes(token));
    if (known.length > 0) return known.map(({ index }) => index + 1).join(',');
  }
  return file.runners.length === 1 ? '1' : null;
}

function shown({ path, before, after, kind }: Change): string {
  if (kind === 'token') return `new ${path}: a token (not shown), mode 0600\n`;
  return unifiedDiff(path, before, after, (line) => printable(kind === 'runner' ? shownTomlLine(line) : line));
}

async function makePlan(command: Command, context: CommandContext, setup: SetupParts, isAsked: boolean): Promise<Plan> {
  const { io } = context;
  const flags = command.opts<Flags>();
  const dir = resolve(io.cwd, flags.dir);
  const agent = existingAgent(dir, io);
  const file = findFile(flags, context, setup);
  const ask = <T>(question: Question<T>): Promise<T> => answerTo(io, isAsked, question);

  let chosen: readonly number[] = [];
  if (file !== null && file.runners.length > 0) {
    if (isAsked && flags.runner === undefined) {
      const rows = file.runners.map(
        ({ name, url, executor }, i) =>
          `  ${i + 1}  ${printable(`${name}  ${executor ?? ''}  ${url?.replace(/\/\/[^/@]*@/, '//') ?? ''}`)}\n`,
      );
      await io.out(`Runners in ${file.path}:\n${rows.join('')}`);
    }
    chosen = await ask({
      flag: '--runner',
      given: flags.runner?.join(','),
      text: 'Which of them to guard (numbers with commas, or all)',
      fallback: usualChoice(file, agent),
      read: (text) => readChosen(text, file),
    });
  }
  const own = file?.runners.filter(({ index }) => chosen.includes(index)) ?? [];
  const options = async (
    key: string,
    given: string | undefined,
    text: string,
    fallback: string | null,
  ): Promise<string> =>
    ask({ flag: `--${key.replace(/[._]/g, '-')}`, given, text, fallback, read: (answer) => readOption(key, answer) });
  // A runner that asks the gateway already does not say where GitLab is.
  const gateway = flags.gatewayListen ?? DEFAULT_GATEWAY;
  const gitlab = own.find(({ url }) => url !== null && !url.endsWith(`//${gateway}`))?.url ?? null;
  const fresh = agent === null;
  const plain = { ask: null, out: io.out };
  const told = fresh && isAsked;
  return planInit({
    dir,
    agent,
    file,
    chosen,
    gitlabUrl: fresh
      ? await options('gitlab.url', flags.gitlabUrl, 'Address of GitLab', gitlab?.replace(/\/+$/, '') ?? null)
      : '',
    gatewayListen: await answerTo(told ? io : plain, told, {
      flag: '--gateway-listen',
      given: flags.gatewayListen,
      text: 'Where the runners find the gateway',
      fallback: DEFAULT_GATEWAY,
      read: (text) => readOption('gateway.listen', text),
    }),
    hubListen: await answerTo(plain, false, {
      flag: '--hub-listen',
      given: flags.hubListen,
      text: 'where people find the hub',
      fallback: '127.0.0.1:8094',
      read: (text) => readOption('hub.listen', text),
    }),
    stateDir: resolve(io.cwd, flags.stateDir ?? '/var/lib/holdpoint'),
    people: fresh
      ? {
          approvers: await ask({
            flag: '--approver',
            given: flags.approver?.join(' '),
            text: 'Who may approve first (USERNAME:ID of GitLab, blanks between; two or more)',
            fallback: null,
            read: readApprovers,
          }),
          project: await ask({
            flag: '--project',
            given: flags.project,
            text: 'Which project of theirs (GROUP/PROJECT:ID)',
            fallback: null,
            read: readProject,
          }),
        }
      : null,
    read: readOrNull,
    freshToken,
    edit: (changes) => (file === null ? '' : setup.editRunners(file.text, basename(file.path), changes)),
  });
}

function write(plan: Plan, flags: Flags, dir: string, setup: SetupParts): readonly string[] {
  const user = setup.isRoot ? setup.userNamed(flags.user) : null;
  const group = user === null ? null : { uid: 0, gid: user.gid };
  setup.openFolder(dir, user);
  const notes: string[] = [];
  for (const { path, before, after, kind } of plan.changes) {
    if (kind === 'runner' && before !== null) {
      const copy = setup.replaceFile(path, before, after);
      notes.push(`${copy} is the old file: delete it once the runner works, a real token stands in it`);
    } else if (kind === 'token') setup.createFile(path, after, 0o600, user);
    else setup.createFile(path, after, 0o640, group);
  }
  if (setup.isRoot && user === null)
    notes.push(
      `there is no user "${flags.user}" on this host: chown the token files to the user of the agent, who has to read them`,
    );
  return notes;
}

async function run(command: Command, context: CommandContext): Promise<void> {
  const { io, json, parts } = context;
  const flags = command.opts<Flags>();
  const dir = resolve(io.cwd, flags.dir);
  const isAsked = io.ask !== null && flags.yes !== true && !json;
  const setup = await parts.setup();
  const plan = await makePlan(command, context, setup, isAsked);
  const tell = (text: string): Promise<void> => (json ? Promise.resolve() : io.out(text));
  const answer = (done: boolean, notes: readonly string[]): Promise<void> =>
    json
      ? io.out(`${JSON.stringify({ written: done ? plan.changes.map(({ path }) => path) : [], notes })}\n`)
      : Promise.resolve();
  if (plan.changes.length === 0) {
    await tell(`${plan.notes.map((note) => `${printable(note)}\n`).join('')}Nothing to do.\n`);
    return answer(false, plan.notes);
  }
  for (const change of plan.changes) await tell(`${shown(change)}\n`);
  for (const note of plan.notes) await tell(`note: ${printable(note)}\n`);
  const yes =
    flags.yes === true ||
    (isAsked &&
      (await answerTo(io, true, {
        flag: '--yes',
        given: undefined,
        text: 'Write this',
        fallback: 'no',
        read: readYes,
      })));
  if (!yes) {
    if (isAsked) return tell('Nothing was written.\n');
    throw new HoldpointError('bad_usage', 'nothing was written: nobody can be asked here, and --yes was not given');
  }
  const more = write(plan, flags, dir, setup);
  const moved = plan.changes.some(({ kind, before }) => kind === 'token' && before === null);
  const notes = [
    ...plan.notes,
    ...more,
    ...(moved
      ? ["whoever could read config.toml has GitLab's token: make a new one in GitLab and put it into the token file"]
      : []),
  ];
  await tell(`${notes.map((note) => `note: ${printable(note)}\n`).join('')}
Written. Now
  1. start the agent: systemctl enable --now holdpoint-agent, or holdpoint agent --config ${dir}/agent.yml
     (gitlab-runner reads its file again by itself, and gets no jobs until the agent runs)
  2. see whether it guards: holdpoint doctor --config ${dir}/agent.yml
`);
  return answer(true, notes);
}

/** `holdpoint init`. */
export function define(command: Command, context: CommandContext): void {
  command
    .option('--dir <folder>', 'where the configuration is written', '/etc/holdpoint')
    .option('--user <name>', 'user of the agent, who is given the token files', 'holdpoint')
    .option('--runner-config <file>', "gitlab-runner's config.toml (default: where it keeps it)")
    .option('--runner <name...>', 'runners of it to guard, or all (default: the only one)')
    .option('--gitlab-url <url>', 'address of GitLab (default: the url of the runner)')
    .option('--gateway-listen <host:port>', 'where the runners find the gateway (default 127.0.0.1:8093)')
    .option('--hub-listen <host:port>', 'where people find the hub (default 127.0.0.1:8094)')
    .option('--state-dir <folder>', 'folder for parked jobs, keys and database (default /var/lib/holdpoint)')
    .option('--approver <name:id...>', 'who may approve first: username and numeric id in GitLab')
    .option('--project <path:id>', 'the first project: path and numeric id in GitLab')
    .option('--yes', 'write without asking')
    .addHelpText(
      'after',
      `
What is missing is asked, on a terminal; elsewhere nothing is asked, and nothing is written without --yes. The lines of
config.toml that change are shown first. Files that are there are left as they are. No token is ever shown.`,
    )
    .action((_, own: Command) => run(own, context));
}
