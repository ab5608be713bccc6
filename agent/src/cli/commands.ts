import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

/** A module of one command: adds its flags and what it does. */
export interface CommandModule {
  readonly define: (command: Command, context: CommandContext) => void;
}

/** Every command, in the order of `--help`; its module is loaded only when it is called. */
export const COMMANDS: readonly {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}[] = [
  {
    name: 'agent',
    summary: 'stand between the runners and GitLab, with an embedded hub',
    load: () => import('./commands/agent.ts'),
  },
  { name: 'demo', summary: 'show on this machine what it does', load: () => import('./commands/demo.ts') },
  { name: 'digest', summary: 'compute the digest of a job payload', load: () => import('./commands/digest.ts') },
  { name: 'diff', summary: 'compare the configurations of two job payloads', load: () => import('./commands/diff.ts') },
  { name: 'holds', summary: 'list, show and watch what waits for approval', load: () => import('./commands/holds.ts') },
  { name: 'approve', summary: 'approve the configuration of Holds', load: () => import('./commands/approve.ts') },
  { name: 'reject', summary: 'reject the configuration of a Hold', load: () => import('./commands/reject.ts') },
  { name: 'reviews', summary: 'list the questions put to people', load: () => import('./commands/reviews.ts') },
  { name: 'approvals', summary: 'list, show and revoke approvals', load: () => import('./commands/approvals.ts') },
  { name: 'token', summary: 'create, list and revoke tokens', load: () => import('./commands/token.ts') },
  { name: 'agents', summary: 'list the agents that the hub knows', load: () => import('./commands/agents.ts') },
  { name: 'audit', summary: 'list, export and verify what happened', load: () => import('./commands/audit.ts') },
];
