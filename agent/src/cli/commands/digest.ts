import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { type DigestOptions, digestCommand } from '../digest.ts';
import { fileIo } from '../file-io.ts';

/** `holdpoint digest FILE… [--canonical|--explain]`. */
export function define(command: Command, { io, json, parts, exitWith }: CommandContext): void {
  command
    .argument('<file...>', 'job payloads: what GitLab answers to jobs/request, one job a file')
    .option('--canonical', 'print the canonical form instead: its SHA-256 is the digest')
    .option('--explain', 'print leaf by leaf what is covered, removed and rewritten, and why')
    .option('--variable-key-file <file>', 'key of hashed values: 32 bytes, or 64 hex digits, or base64')
    .option('--jwks <file>', "GitLab's key set (/oauth/discovery/keys), to verify id tokens")
    .action(async (paths: string[], _, own: Command) => {
      const { files, written } = fileIo(io, json);
      const { readPayload, jwksVerifier } = await parts.payloads();
      exitWith(await digestCommand(paths, { ...own.opts<DigestOptions>(), json }, files, readPayload, jwksVerifier));
      await written();
    });
}
