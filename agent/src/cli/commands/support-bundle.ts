import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import { archive } from '../archive.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { gather } from '../support-bundle.ts';

const MAX_LINES = 100_000;

function linesOf(text: string): number {
  const lines = Number(text);
  if (!/^\d{1,6}$/.test(text) || lines < 1 || lines > MAX_LINES)
    throw new HoldpointError('bad_usage', `--lines: wanted a number from 1 to ${MAX_LINES}`);
  return lines;
}

async function run(command: Command, { io, json, parts }: CommandContext): Promise<void> {
  const options = command.opts<Record<string, string | boolean | undefined>>();
  const at = new Date(io.now());
  const name = `holdpoint-support-${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const path = resolve(io.cwd, (options.out as string | undefined) ?? `${name}.tar.gz`);
  const { files, missing } = await gather(io, parts, connectHub(command, io), {
    config: options.config as string | undefined,
    log: options.log === undefined ? undefined : resolve(io.cwd, String(options.log)),
    unit: String(options.unit),
    lines: linesOf(String(options.lines)),
    anonymize: options.anonymize === true,
  });
  try {
    await writeFile(path, await archive(name, files, at), { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'is there already' : `cannot be written (${code})`;
    throw new HoldpointError('bad_input', `${path} ${why}: name another file with --out`, { cause });
  }
  if (json) return io.out(`${JSON.stringify({ file: path, files: [...files.keys()].sort(), missing })}\n`);
  const lines = missing.map((line) => `  not in it: ${line}\n`).join('');
  return io.out(
    `${path}\n${lines}Read it before you send it; it has no secrets${options.anonymize === true ? '' : ', but names'}.\n`,
  );
}

/** `holdpoint support-bundle`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command)
    .option('--out <file>', 'where to; default holdpoint-support-TIME.tar.gz in this folder')
    .option('--config <file>', 'agent.yml or hub.yml; else as "holdpoint agent" finds it')
    .option('--log <file>', 'log file of the agent; else the journal of --unit')
    .option('--unit <name>', 'unit of systemd whose journal is read', 'holdpoint-agent')
    .option('--lines <number>', 'how many of the last lines of the log', '2000')
    .option('--anonymize', 'put stand-ins for the names of projects, people, runners and hosts')
    .action((_, own: Command) => run(own, context));
}
