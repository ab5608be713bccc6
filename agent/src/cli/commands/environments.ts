import type { Command } from 'commander';
import type { z } from 'zod';
import { HoldpointError } from '../../domain/errors.ts';
import { accessLevel } from '../../domain/principal.ts';
import { printable } from '../../domain/printable.ts';
import {
  type EnvironmentChangeView,
  environmentOutcomeSchema,
  environmentsSchema,
  type ProtectedEnvironmentView,
  type protectBody,
} from '../../wire/deployments.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';

type Element = NonNullable<z.input<typeof protectBody>['approval_rules']>[number];

/** `project:42` or `group:5`, as part of an address. */
function placeOf(text: string): string {
  const match = /^(project|group):([1-9]\d{0,14})$/.exec(text);
  if (match === null)
    throw new HoldpointError('bad_usage', `"${text}": wanted project:ID or group:ID, with GitLab's number`);
  return `/api/v1/environments/${match[1]}/${match[2]}`;
}

/** `user:12`, `group:62`, `level:maintainer`, each with `=N` behind it where N people are wanted. */
function elementOf(text: string): Element {
  const match = /^(user|group|level):([a-z0-9]+)(?:=([1-9]\d{0,2}))?$/.exec(text);
  const wrong = new HoldpointError(
    'bad_usage',
    `"${text}": wanted user:ID, group:ID or level:WORD, and =N behind it for N people`,
  );
  if (match === null) throw wrong;
  const [, kind, value, count] = match;
  const many = count === undefined ? {} : { required_approvals: Number(count) };
  if (kind === 'level') {
    const level = accessLevel(value!);
    if (level === null || level === 0) throw wrong;
    return { access_level: level, ...many };
  }
  const id = Number(value);
  if (!Number.isSafeInteger(id) || id <= 0) throw wrong;
  return kind === 'user' ? { user_id: id, ...many } : { group_id: id, ...many };
}

interface Flags {
  readonly deploy?: readonly string[];
  readonly approve?: readonly string[];
  readonly remove?: readonly string[];
}

/** The body of a change; `remove` names elements by `deploy:ID` or `rule:ID`. */
function bodyOf(flags: Flags): z.input<typeof protectBody> {
  const removed = (list: 'deploy' | 'rule') =>
    (flags.remove ?? []).flatMap((text) => {
      const match = /^(deploy|rule):([1-9]\d{0,14})$/.exec(text);
      if (match === null) throw new HoldpointError('bad_usage', `"${text}": wanted deploy:ID or rule:ID`);
      return match[1] === list ? [{ id: Number(match[2]), destroy: true }] : [];
    });
  const access = [...(flags.deploy ?? []).map(elementOf), ...removed('deploy')];
  const rules = [...(flags.approve ?? []).map(elementOf), ...removed('rule')];
  return {
    ...(access.length === 0 ? {} : { deploy_access_levels: access }),
    ...(rules.length === 0 ? {} : { approval_rules: rules }),
  };
}

function lines(of: ProtectedEnvironmentView): string {
  const access = of.deploy_access_levels.map((one) => `  may deploy   ${one.who} (deploy:${one.id})`);
  const rules = of.approval_rules.map(
    (one) => `  approves     ${one.required_approvals} × ${one.who} (rule:${one.id})`,
  );
  const all = [`${of.name}, ${of.level} ${of.owner_path ?? of.owner}`, ...access, ...rules];
  return all.map((line) => `${printable(line)}\n`).join('');
}

function pendingLine(of: EnvironmentChangeView): string {
  const by = of.by.username ?? `user ${of.by.id}`;
  const what = `change ${of.id}: ${by} wants to ${of.action.replace('_', ' ')} ${of.name}`;
  return `${printable(`${what}; somebody else confirms it: holdpoint environments confirm ${of.id}`)}\n`;
}

async function list(place: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const found = await connectHub(command, io).get(placeOf(place), environmentsSchema);
  if (json) return io.out(`${JSON.stringify(found)}\n`);
  if (found.items.length + found.pending.length === 0)
    return io.out('Nothing is protected there through the API; the policy file may protect more.\n');
  return io.out([...found.items.map(lines), ...found.pending.map(pendingLine)].join(''));
}

/** Shows what came of a change. */
async function answer(
  { environment, pending }: z.output<typeof environmentOutcomeSchema>,
  { io, json }: CommandContext,
): Promise<void> {
  if (json) return io.out(`${JSON.stringify({ environment, pending })}\n`);
  if (pending !== null) return io.out(pendingLine(pending));
  return io.out(environment === null ? 'done: nothing protects it through the API\n' : lines(environment));
}

const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `holdpoint environments [list|protect|change|unprotect|confirm|withdraw]`. */
export function define(command: Command, context: CommandContext): void {
  const { io } = context;
  withHub(command.command('list', { isDefault: true }))
    .description('what is protected through the API, and which changes wait for a second person')
    .argument('<place>', 'project:ID or group:ID')
    .action((place: string, _, own: Command) => list(place, own, context));
  for (const [name, method, summary] of [
    ['protect', 'post', 'protect an environment of a project, or a tier of a group'],
    ['change', 'put', 'change what protects it'],
  ] as const) {
    withHub(command.command(name))
      .description(summary)
      .argument('<place>', 'project:ID or group:ID')
      .argument('<name>', 'name of the environment; of a group production, staging, testing, development or other')
      .option('--deploy <who>', 'who may deploy: user:ID, group:ID or level:WORD; again for more', many)
      .option('--approve <who=n>', 'who approves, and how many: group:62=2; again for more', many)
      .option('--remove <element>', 'deploy:ID or rule:ID, as "list" shows them; again for more', many)
      .action(async (place: string, environment: string, flags: Flags, own: Command) => {
        const path = `${placeOf(place)}/${encodeURIComponent(environment)}`;
        await answer(await connectHub(own, io)[method](path, environmentOutcomeSchema, bodyOf(flags)), context);
      });
  }
  withHub(command.command('unprotect'))
    .description('take its protection away; what the policy file protects stays protected')
    .argument('<place>', 'project:ID or group:ID')
    .argument('<name>')
    .action(async (place: string, environment: string, _, own: Command) => {
      const path = `${placeOf(place)}/${encodeURIComponent(environment)}`;
      await answer(await connectHub(own, io).remove(path, environmentOutcomeSchema), context);
    });
  for (const [what, summary] of [
    ['confirm', 'confirm a change that somebody else asked for'],
    ['withdraw', 'withdraw or refuse a change'],
  ] as const) {
    withHub(command.command(what))
      .description(summary)
      .argument('<id>', 'of the change')
      .action(async (text: string, _, own: Command) => {
        if (!/^[1-9]\d{0,14}$/.test(text)) throw new HoldpointError('bad_usage', `"${text}" is no change id`);
        const path = `/api/v1/environment-changes/${text}/${what}`;
        await answer(await connectHub(own, io).post(path, environmentOutcomeSchema, {}), context);
      });
  }
}
