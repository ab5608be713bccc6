import { resolve } from 'node:path';
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
    .option('--policy <file>', 'policy.yaml: with what it covers beside the payload')
    .option('--files-from <dir>', 'clone of the repository, for files that the policy covers')
    .option(
      '--image <reference=digest>',
      'what an image stands for, where the policy pins it; may be repeated',
      (one: string, before: readonly string[]) => [...before, one],
      [],
    )
    .action(async (paths: string[], _, own: Command) => {
      const { files, written } = fileIo(io, json);
      const { readPayload, jwksVerifier } = await parts.payloads();
      const options = { ...own.opts<DigestOptions>(), json };
      const sections =
        options.policy === undefined
          ? null
          : {
              readPolicy: (await parts.policies()).readPolicy,
              filesIn: async (folder: string, commit: string, patterns: readonly string[]) =>
                (await parts.clones()).filesIn(resolve(io.cwd, folder), commit, patterns),
            };
      exitWith(await digestCommand(paths, options, files, readPayload, jwksVerifier, sections));
      await written();
    });
}
