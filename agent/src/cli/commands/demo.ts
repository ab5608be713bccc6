import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';

/** `holdpoint demo [--auto]`: a GitLab, two runners and an agent on free ports of this machine, in a temporary folder. */
export function define(command: Command, { io, parts, exitWith }: CommandContext): void {
  command.option('--auto', 'approve by itself, check what comes of it and end').action(async (_, own: Command) => {
    exitWith(await parts.runDemo({ auto: own.opts<{ auto?: boolean }>().auto === true, stop: io.stop }));
  });
}
