import type { Command } from 'commander';
import { printable, printableLines } from '../domain/printable.ts';
import { type ProposalView, proposalSchema } from '../wire/proposal.ts';
import { connectHub, withHub } from './connect.ts';
import type { CommandContext } from './context.ts';
import { minute, shortRef } from './render.ts';

type Approval = ProposalView['approvals'][number];
const jobOf = (one: { project_path: string | null; project_id: number; job: string }): string =>
  printable(`${one.project_path ?? one.project_id} ${one.job}`);

function approvalLines(one: Approval): readonly string[] {
  const where = `${one.refs.map(shortRef).join(', ')}${one.environment === null ? '' : `, environment ${one.environment}`}`;
  const who = one.triggers.map(({ id, username }) => username ?? (id === null ? 'unknown' : `user ${id}`)).join(', ');
  return [
    `  ${jobOf(one)} on ${printable(where)}`,
    `    ${one.digest}`,
    `    ${one.runs} runs, the last ${minute(one.last_at)}, started by ${printable(who)}`,
    ...(one.alike.length === 0 ? [] : [`    and ${one.alike.length} more that are alike with the lines below`]),
    `    ${printable(one.summary)}`,
  ];
}

/** The lines as they go into policy.yaml, ahead of other entries of the same jobs. */
function entriesYaml(tolerate: ProposalView['tolerate']): string {
  const entries = tolerate.map(({ project_id, project_path, job, yaml }) =>
    [
      `  - name: ${JSON.stringify(`as seen: ${project_path ?? project_id} ${job}`.slice(0, 100))}`,
      `    match: { projects: [${project_id}], jobs: [${JSON.stringify(job)}] }`,
      '    tolerate:',
      ...yaml.split('\n').map((line) => `      ${line}`),
    ].join('\n'),
  );
  return ['configurations:', ...entries].join('\n');
}

/** The proposal for a terminal. */
export function proposalText(proposal: ProposalView): string {
  const { approvals, tolerate, runs } = proposal;
  const lines = [
    `Since ${minute(proposal.since)}: ${runs.proposed} runs on protected refs would have waited, ${runs.covered} more are approved by now;`,
    `${runs.unprotected} were on refs that any pusher can change: nothing is proposed for those.`,
  ];
  if (proposal.cut) lines.push('More was seen than is looked at here: come back when these are decided.');
  if (approvals.length > 0) lines.push('', `${approvals.length} approvals`, ...approvals.flatMap(approvalLines));
  if (tolerate.length > 0) {
    lines.push('', 'Lines for policy.yaml (look at each: what they name may change without anybody being asked)');
    lines.push(printableLines(entriesYaml(tolerate)));
  }
  if (approvals.length === 0 && tolerate.length === 0) lines.push('Nothing has to be approved.');
  return `${lines.join('\n')}\n`;
}

/** `holdpoint approvals propose`. */
export function definePropose(approvals: Command, { io, json }: CommandContext): void {
  withHub(approvals.command('propose'))
    .description('what would have let through what ran on runners in mode monitor')
    .option('--days <n>', 'so many days back, at most 90', '30')
    .action(async (_, own: Command) => {
      const { days } = own.opts<{ days: string }>();
      const hub = connectHub(own, io);
      const proposal = await hub.get(`/api/v1/proposal?days=${encodeURIComponent(days)}`, proposalSchema);
      return io.out(json ? `${JSON.stringify(proposal)}\n` : proposalText(proposal));
    });
}
