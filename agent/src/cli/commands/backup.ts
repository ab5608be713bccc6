import { resolve } from 'node:path';
import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import type { CommandContext } from '../context.ts';
import { type KeptFlags, keptConfig, withKept } from '../kept-config.ts';
import { fields, minute } from '../render.ts';

interface Flags extends KeptFlags {
  readonly out: string;
  readonly withoutKeys?: boolean;
}

const time = (ms: number): string => minute(new Date(ms).toISOString());

/** `holdpoint backup --out DIR`. */
export function define(command: Command, { io, json, parts, exitWith }: CommandContext): void {
  withKept(command)
    .requiredOption('--out <folder>', 'a new folder to write it to')
    .option('--without-keys', 'leave the keys out: without them nothing of it can be used')
    .action(async (flags: Flags) => {
      const config = keptConfig(flags, io);
      const { backup } = await parts.care();
      const done = await backup(config, {
        out: resolve(io.cwd, flags.out),
        keys: flags.withoutKeys !== true,
        now: io.now(),
      });
      if (json) await io.out(`${JSON.stringify({ ...done, at: new Date(done.at).toISOString() })}\n`);
      else {
        await io.out(
          fields([
            ['written to', done.out],
            [
              'of',
              `${time(done.at)}, the ${flags.hub === true ? 'hub' : 'agent'} ${done.running ? 'running' : 'stopped'}`,
            ],
            ['audit', `${done.audit.seq} rows, up to ${done.audit.hash}`],
            ['parked jobs', String(done.parked)],
            ['keys', done.keys ? 'in it: whoever has it has everything; encrypt it' : 'left out: keep them elsewhere'],
          ]),
        );
      }
      if (done.fault === null) return;
      const error = new HoldpointError(
        'audit_broken',
        `the backup is written, but its audit does not verify: ${done.fault}`,
      );
      io.err(
        json
          ? `${JSON.stringify({ error: { code: error.code, message: error.message } })}\n`
          : `holdpoint: ${error.message}\n`,
      );
      exitWith(1);
    });
}
