import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { type KeptFlags, keptConfig, withKept } from '../kept-config.ts';
import type { RestoreReport } from '../parts.ts';
import { minute } from '../render.ts';

interface Flags extends KeptFlags {
  readonly witness?: string;
  readonly revokeAllTokens?: boolean;
  readonly giveUpParkedJobs?: boolean;
}

function page({ at, audit, lostRows, revoked, valid, parked, givenUp }: RestoreReport): string {
  const when = minute(new Date(at).toISOString());
  const lost =
    lostRows === null
      ? 'What happened since is lost; how much is not known without a newer audit-head.json (--witness).'
      : lostRows === 0
        ? 'The witness knows of nothing that happened since.'
        : `${lostRows} rows of the audit that were signed since are lost; the audit says so from now on.`;
  const tokens =
    revoked > 0
      ? `${revoked} tokens were revoked; the next start prints a one-time token.`
      : `! ${valid} tokens count. Any that was revoked since ${when} counts again: --revoke-all-tokens ends them all.`;
  const jobs =
    parked === 0
      ? []
      : [
          givenUp
            ? `${parked} parked jobs will not be handed out, since they may have run; their holds go on waiting.`
            : `${parked} parked jobs go on waiting where they were.`,
        ];
  const lines = [
    `Restored: the state of ${when}, audit verified up to row ${audit.seq} (${audit.hash}).`,
    lost,
    tokens,
    `! Approvals that were revoked and rejects that were remembered since then are undone: look with "holdpoint approvals list" and "holdpoint denials list".`,
    ...jobs,
  ];
  return `${lines.join('\n')}\n`;
}

/** `holdpoint restore DIR`. */
export function define(command: Command, { io, json, parts }: CommandContext): void {
  withKept(command)
    .argument('<folder>', 'what "holdpoint backup" wrote; the state_dir must be empty, and so must a database')
    .option('--witness <file>', 'audit-head.json of the state that was lost: says how much was lost since')
    .option('--revoke-all-tokens', 'no token counts any more: those revoked since the backup would')
    .option('--give-up-parked-jobs', 'hand none of its parked jobs out: for a backup of a stopped agent that ran again')
    .action(async (folder: string, flags: Flags) => {
      const config = keptConfig(flags, io);
      const { restore } = await parts.care();
      const done = await restore(config, {
        from: resolve(io.cwd, folder),
        witness: flags.witness === undefined ? null : resolve(io.cwd, flags.witness),
        revokeAllTokens: flags.revokeAllTokens === true,
        giveUpParked: flags.giveUpParkedJobs === true,
        now: io.now(),
      });
      await io.out(json ? `${JSON.stringify({ ...done, at: new Date(done.at).toISOString() })}\n` : page(done));
    });
}
