import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { diffCommand } from '../diff.ts';
import { fileIo } from '../file-io.ts';
import type { PayloadFileOptions } from '../payload-files.ts';

/** `holdpoint diff FILE FILE`. */
export function define(command: Command, { io, json, parts, exitWith }: CommandContext): void {
  command
    .argument('<before>', 'a job payload')
    .argument('<after>', 'another')
    .option('--variable-key-file <file>', 'key of hashed values: 32 bytes, or 64 hex digits, or base64')
    .option('--jwks <file>', "GitLab's key set (/oauth/discovery/keys), to verify id tokens")
    .option('--policy <file>', 'a policy: says whether it takes the two for alike, and what it tolerates')
    .action(async (before: string, after: string, _, own: Command) => {
      const { files, written } = fileIo(io, json);
      const { readPayload, jwksVerifier } = await parts.payloads();
      const options = { ...own.opts<PayloadFileOptions & { readonly policy?: string }>(), json };
      const { readPolicy } = options.policy === undefined ? { readPolicy: null } : await parts.policies();
      exitWith(await diffCommand(before, after, options, files, { readPayload, jwksVerifier, readPolicy }));
      await written();
    });
}
