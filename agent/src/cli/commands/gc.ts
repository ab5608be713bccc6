import type { Command } from 'commander';
import { RETAINED_CLASSES, type RetentionCounts } from '../../domain/retention.ts';
import { retentionSchema } from '../../wire/retention.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { fields } from '../render.ts';

const WORDS: Readonly<Record<(typeof RETAINED_CLASSES)[number], string>> = {
  configurations: 'texts of configurations',
  facts: 'facts of holds',
  reports: 'holds with reports of agents',
  tokens: 'ended tokens and sessions',
  challenges: 'questions for passkeys',
  enrolments: 'enrolment tokens',
  pushes: 'pushes to revoked agents',
  notifications: 'notifications',
  notices: 'notices',
  sightings: 'sightings',
  recordings: 'recordings of jobs',
};

/** `holdpoint gc [--dry-run]`. */
export function define(command: Command, { io, json }: CommandContext): void {
  withHub(command)
    .option('--dry-run', 'only count what would go')
    .action(async () => {
      const dryRun = command.opts<{ dryRun?: boolean }>().dryRun === true;
      const hub = connectHub(command, io);
      const removed: Record<string, number> = {};
      for (let cursor: string | null = null; ; ) {
        const step: { removed: RetentionCounts; next: string | null } = await hub.post(
          '/api/v1/retention/apply',
          retentionSchema,
          { dry_run: dryRun, ...(cursor === null ? {} : { cursor }) },
        );
        for (const [name, count] of Object.entries(step.removed)) removed[name] = (removed[name] ?? 0) + count;
        cursor = step.next;
        if (cursor === null) break;
      }
      if (json) return io.out(`${JSON.stringify({ dry_run: dryRun, removed })}\n`);
      const rows = RETAINED_CLASSES.filter((name) => (removed[name] ?? 0) > 0);
      if (rows.length === 0)
        return io.out(
          'Nothing is older than what the retention of the policy keeps: "holdpoint policy show" has it.\n',
        );
      await io.out(dryRun ? 'Would be removed:\n' : 'Removed, with rows of the audit that say so:\n');
      return io.out(fields(rows.map((name) => [WORDS[name], String(removed[name])])));
    });
}
