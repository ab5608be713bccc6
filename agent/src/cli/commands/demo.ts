import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';

/** `holdpoint demo [--auto] [--no-color] [--keep]`: a GitLab, two runners and an agent on free ports of this machine, in a temporary folder. */
export function define(command: Command, { io, parts, exitWith }: CommandContext): void {
  command
    .option('--auto', 'approve by itself, check what comes of it and end')
    .option('--no-color', 'no colours')
    .option('--keep', 'leave its temporary folder where it is')
    .action(async (_, own: Command) => {
      const { auto, color, keep } = own.opts<{ auto?: boolean; color: boolean; keep?: boolean }>();
      const shown = color && io.colour;
      exitWith(await parts.runDemo({ auto: auto === true, stop: io.stop, color: shown, keep: keep === true }));
    });
}
