import type { Command } from 'commander';
import { z } from 'zod';
import { DEPLOYMENT_STATES, type DeploymentState } from '../../domain/deployment.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import {
  brokenSchema,
  currentDeploymentSchema,
  deploymentDetailSchema,
  listedDeploymentSchema,
} from '../../wire/deployments.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';
import { currentTable, deploymentPage, deploymentsTable } from '../deployment-page.ts';
import { paint } from '../render.ts';

/** What still may move. */
const OPEN: readonly DeploymentState[] = ['blocked', 'created', 'running'];

interface ListFlags {
  readonly state?: string;
  readonly all?: boolean;
  readonly project?: string;
  readonly environment?: string;
  readonly find?: string;
  readonly newest?: boolean;
}

function statesOf({ state, all }: ListFlags): readonly DeploymentState[] {
  if (state === undefined) return all === true ? DEPLOYMENT_STATES : OPEN;
  const found = DEPLOYMENT_STATES.find((one) => one === state);
  if (found) return [found];
  throw new HoldpointError('bad_usage', `"${state}" is no state; wanted one of ${DEPLOYMENT_STATES.join(', ')}`);
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<ListFlags>();
  const found = await connectHub(command, io).list('/api/v1/deployments', listedDeploymentSchema, {
    state: statesOf(flags).join(','),
    project: flags.project,
    environment: flags.environment,
    text: flags.find,
    order: flags.newest === true ? 'newest' : undefined,
  });
  if (json) return io.out(`${JSON.stringify({ items: found, next_cursor: null })}\n`);
  if (found.length === 0) return io.out('No deployment waits or runs.\n');
  return io.out(deploymentsTable(found, io.now(), io.columns));
}

async function current(command: Command, { io, json }: CommandContext): Promise<void> {
  const { project, environment } = command.opts<ListFlags>();
  const hub = connectHub(command, io);
  const found = await hub.list('/api/v1/deployments/current', currentDeploymentSchema, { project, environment });
  if (json) return io.out(`${JSON.stringify({ items: found, next_cursor: null })}\n`);
  if (found.length === 0) return io.out('Nothing has been deployed to a protected environment with success.\n');
  const byName = found.sort((a, b) => a.environment.name.localeCompare(b.environment.name) || a.id - b.id);
  return io.out(currentTable(byName, io.now(), io.columns));
}

async function show(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'deployment');
  const found = await connectHub(command, io).get(`/api/v1/deployments/${id}`, deploymentDetailSchema);
  return io.out(json ? `${JSON.stringify(found)}\n` : deploymentPage(found, io.now(), paint(io.colour)));
}

/** Does something to one deployment, and says where it stands then. */
async function act(
  text: string,
  what: 'approve' | 'reject' | 'run',
  body: object,
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  const id = idOf(text, 'deployment');
  const hub = connectHub(command, io);
  await hub.post(`/api/v1/deployments/${id}/${what}`, z.unknown(), body);
  const after = await hub.get(`/api/v1/deployments/${id}`, deploymentDetailSchema);
  if (json) return io.out(`${JSON.stringify(after)}\n`);
  const waits = after.waits_for.length === 0 ? '' : `; it waits for ${after.waits_for.join(', ')}`;
  return io.out(
    `${printable(`deployment ${id} (${after.job} to ${after.environment.name}): ${after.state}${waits}`)}\n`,
  );
}

async function mark(
  text: string,
  what: 'mark-broken' | 'lift-broken',
  body: object,
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  const id = idOf(text, 'deployment');
  const found = await connectHub(command, io).post(`/api/v1/deployments/${id}/${what}`, brokenSchema, body);
  if (json) return io.out(`${JSON.stringify(found)}\n`);
  const words =
    found.lifted_at === null
      ? `nothing with it is deployed there until the mark is lifted: "holdpoint deployments lift-broken ${id}"`
      : 'it may be deployed there again';
  return io.out(`${printable(`commit ${found.sha} in ${found.environment}: ${words}`)}\n`);
}

/** `holdpoint deployments [list|current|show|approve|reject|run|mark-broken|lift-broken]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what waits for approvals, waits to be run, or runs')
    .option('--state <state>', `one of ${DEPLOYMENT_STATES.join(', ')}`)
    .option('--all', 'those that are over as well')
    .option('--project <id|path>', 'of one project')
    .option('--environment <name>', 'to one environment')
    .option('--find <text>', 'with this in job, project, environment, ref or commit')
    .option('--newest', 'the newest first')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('current'))
    .description('what runs in each environment now, since when, and who approved it')
    .option('--project <id|path>', 'of one project')
    .option('--environment <name>', 'in one environment')
    .action((_, own: Command) => current(own, context));
  withHub(command.command('show'))
    .description('one deployment: where it stands, who let it run or has to, who may approve, who may run it')
    .argument('<id>')
    .action((id: string, _, own: Command) => show(id, own, context));
  withHub(command.command('approve'))
    .description('approve this one deployment; its configuration is approved with "holdpoint approve"')
    .argument('<id>')
    .option('--comment <text>', 'why')
    .option('--as <rule>', 'count for this rule (user, group or role) and no other')
    .action((id: string, flags: { comment?: string; as?: string }, own: Command) => {
      const comment = commentOf(flags.comment);
      const body = { ...(comment && { comment }), ...(flags.as && { represented_as: flags.as }) };
      return act(id, 'approve', body, own, context);
    });
  withHub(command.command('reject'))
    .description('reject this one deployment: its job does not run')
    .argument('<id>')
    .requiredOption('--comment <text>', 'why; whoever triggered the job reads it')
    .action((id: string, flags: { comment: string }, own: Command) =>
      act(id, 'reject', { comment: commentOf(flags.comment) }, own, context),
    );
  withHub(command.command('run'))
    .description('run a deployment whose approvals are complete; that takes deploy access, and approving gives none')
    .argument('<id>')
    .action((id: string, _, own: Command) => act(id, 'run', {}, own, context));
  withHub(command.command('mark-broken'))
    .description('keep the commit of a deployment out of its environment until the mark is lifted')
    .argument('<id>')
    .requiredOption('--reason <text>', 'what is broken')
    .action((id: string, flags: { reason: string }, own: Command) =>
      mark(id, 'mark-broken', { reason: commentOf(flags.reason) }, own, context),
    );
  withHub(command.command('lift-broken'))
    .description('lift the mark of its commit')
    .argument('<id>')
    .option('--reason <text>', 'why')
    .action((id: string, flags: { reason?: string }, own: Command) => {
      const reason = commentOf(flags.reason);
      return mark(id, 'lift-broken', { ...(reason && { reason }) }, own, context);
    });
}
