import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

/** A module of one command: adds its flags and what it does. */
export interface CommandModule {
  readonly define: (command: Command, context: CommandContext) => void;
}

/** Every command, in the order of `--help`; its module is loaded only when it is called. */
export const COMMANDS: readonly {
  readonly name: string;
  /** What stands behind the name, in short. */
  readonly usage: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}[] = [
  {
    name: 'agent',
    usage: '[--config FILE]',
    summary: 'stand between the runners and GitLab, with an embedded hub',
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'hub',
    usage: '[--config FILE]',
    summary: 'decide for agents on other hosts: a hub alone',
    load: () => import('./commands/hub.ts'),
  },
  {
    name: 'executor',
    usage: '[prepare|run|…]',
    summary: "run the jobs of gitlab-runner's custom executor; refuse what did not come through the gate",
    load: () => import('./commands/executor.ts'),
  },
  {
    name: 'init',
    usage: '[--yes]',
    summary: 'write the first configuration, and put the gateway before runners',
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'doctor',
    usage: '[--config FILE]',
    summary: 'say whether it guards, and what to mend; changes nothing',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'config',
    usage: '[--config FILE]',
    summary: 'show the configuration in force, and where each part comes from',
    load: () => import('./commands/config.ts'),
  },
  {
    name: 'demo',
    usage: '[--auto]',
    summary: 'show on this machine what it does',
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'digest',
    usage: 'FILE…',
    summary: 'compute the digest of job payloads',
    load: () => import('./commands/digest.ts'),
  },
  {
    name: 'diff',
    usage: 'FILE FILE',
    summary: 'compare the configurations of two job payloads',
    load: () => import('./commands/diff.ts'),
  },
  {
    name: 'check',
    usage: '[FILE]',
    summary: 'predict which jobs of a .gitlab-ci.yml would wait',
    load: () => import('./commands/check.ts'),
  },
  {
    name: 'holds',
    usage: '[list|show|reveal|retry|…]',
    summary: 'list, show, reveal, retry, cancel and follow what waits for approval',
    load: () => import('./commands/holds.ts'),
  },
  {
    name: 'approve',
    usage: 'ID… --digest SHA256',
    summary: 'approve the configuration of Holds',
    load: () => import('./commands/approve.ts'),
  },
  {
    name: 'reject',
    usage: 'ID --comment WHY',
    summary: 'reject the configuration of a Hold',
    load: () => import('./commands/reject.ts'),
  },
  {
    name: 'withdraw',
    usage: 'ID… [--comment WHY]',
    summary: "take one's own vote back while it is undecided",
    load: () => import('./commands/withdraw.ts'),
  },
  {
    name: 'reviews',
    usage: '[list|changes|approve|…]',
    summary: 'list the questions put to people, answer equal ones together',
    load: () => import('./commands/reviews.ts'),
  },
  {
    name: 'approvals',
    usage: '[list|revoke|renew|…]',
    summary: 'list, show, revoke, renew and compare approvals',
    load: () => import('./commands/approvals.ts'),
  },
  {
    name: 'denials',
    usage: '[list|lift ID]',
    summary: 'list and lift remembered rejects',
    load: () => import('./commands/denials.ts'),
  },
  {
    name: 'deployments',
    usage: '[list|approve|run|…]',
    summary: 'list, show, approve and run deployments',
    load: () => import('./commands/deployments.ts'),
  },
  {
    name: 'environments',
    usage: '[list|protect|…]',
    summary: 'say who deploys where, and who approves',
    load: () => import('./commands/environments.ts'),
  },
  {
    name: 'break-glass',
    usage: 'HOLD --reason WHY',
    summary: 'run one job without its approval; list and close what was run so',
    load: () => import('./commands/break-glass.ts'),
  },
  {
    name: 'receipt',
    usage: '[list|show|check]',
    summary: 'what this host handed over: list, show, and check before a job runs',
    load: () => import('./commands/receipt.ts'),
  },
  {
    name: 'policy',
    usage: '[show|check|explain|test|…]',
    summary: 'show, check, explain and test the policy',
    load: () => import('./commands/policy.ts'),
  },
  {
    name: 'token',
    usage: '[list|create|rotate|revoke]',
    summary: 'list, create, rotate and revoke tokens',
    load: () => import('./commands/token.ts'),
  },
  {
    name: 'notifications',
    usage: '[list|retry|test|…]',
    summary: 'what people were told, and what could not be sent',
    load: () => import('./commands/notifications.ts'),
  },
  {
    name: 'agents',
    usage: '[list|enroll|revoke]',
    summary: 'list, enrol and revoke the agents of the hub',
    load: () => import('./commands/agents.ts'),
  },
  {
    name: 'keys',
    usage: '[list|rotate KIND]',
    summary: "list an agent's keys, and put others in their place",
    load: () => import('./commands/keys.ts'),
  },
  {
    name: 'backup',
    usage: '--out DIR',
    summary: "copy an agent's whole state while it runs",
    load: () => import('./commands/backup.ts'),
  },
  {
    name: 'restore',
    usage: 'DIR',
    summary: 'put a backup into an empty state_dir',
    load: () => import('./commands/restore.ts'),
  },
  {
    name: 'audit',
    usage: '[list|timeline|verify|…]',
    summary: 'list, follow, export and verify what happened',
    load: () => import('./commands/audit.ts'),
  },
  {
    name: 'store',
    usage: 'copy --from … --to …',
    summary: "move a hub's store to another file or to PostgreSQL",
    load: () => import('./commands/store.ts'),
  },
  {
    name: 'gc',
    usage: '[--dry-run]',
    summary: 'remove from the hub what the retention of the policy lets go',
    load: () => import('./commands/gc.ts'),
  },
  {
    name: 'support-bundle',
    usage: '[--anonymize]',
    summary: 'one file without secrets, for whoever helps',
    load: () => import('./commands/support-bundle.ts'),
  },
];
