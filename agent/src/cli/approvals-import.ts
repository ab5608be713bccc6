import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import { systemErrorWords } from '../config/system-error.ts';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { importedSchema } from '../wire/approvals.ts';
import { connectHub, withHub } from './connect.ts';
import type { CommandContext } from './context.ts';
import { fileIo } from './file-io.ts';
import {
  exitOf,
  type PayloadFileOptions,
  readOrProblem,
  readVariableKey,
  readVerifier,
  refusalLine,
} from './payload-files.ts';

/** More files are another mistake of the folder. */
const MAX_FILES = 1_000;
/** As many as the hub takes in one body, and well under its size. */
const MAX_ITEMS = 200;
const MAX_BODY_CHARS = 1_500_000;

type Outcome = z.output<typeof importedSchema>['items'][number];

function filesIn(folder: string, shown: string): readonly string[] {
  try {
    const names = readdirSync(folder, { withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name.endsWith('.json'),
    );
    if (names.length > MAX_FILES)
      throw new HoldpointError('bad_input', `${shown} has ${names.length} files, at most ${MAX_FILES} are read`);
    return names.map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof HoldpointError) throw error;
    throw new HoldpointError('bad_input', `cannot read the folder "${shown}": ${systemErrorWords(error)}`);
  }
}

async function importFolder(folder: string, command: Command, context: CommandContext): Promise<void> {
  const { io, json, parts, exitWith } = context;
  const options = command.opts<PayloadFileOptions & { readonly instance?: string; readonly dryRun?: boolean }>();
  const hub = connectHub(command, io);
  const { files, written } = fileIo(io, json);
  const { readPayload, jwksVerifier } = await parts.payloads();
  const variableKey = await readVariableKey(files, options.variableKeyFile);
  const verifyIdToken = await readVerifier(files, options.jwks, jwksVerifier);
  const root = resolve(io.cwd, folder);
  const read: { readonly item: object; readonly size: number; readonly note: string; readonly digest: string }[] = [];
  for (const name of filesIn(root, folder)) {
    const bytes = await readOrProblem(files, join(root, name));
    // Read here: the payload has secrets, and only its form leaves this machine.
    const reading = readPayload(bytes, { instance: '', runner: '', variableKey, verifyIdToken });
    if (!reading.ok) {
      files.err(refusalLine(name, reading), reading.code);
      exitWith(exitOf(reading.code));
      continue;
    }
    const { facts, digest, configuration, canonical } = reading;
    const item = {
      note: name.slice(0, 255),
      project_id: facts.project.id,
      job: facts.job.name,
      ref: facts.ref.full,
      ref_protected: facts.ref.protected,
      environment: facts.environment?.name ?? null,
      digest,
      configuration,
    };
    read.push({ item, size: canonical.length + 2_000, note: name, digest });
  }
  const outcomes: Outcome[] = [];
  for (let at = 0; at < read.length && options.dryRun !== true; ) {
    let [count, size] = [0, 0];
    while (
      at + count < read.length &&
      count < MAX_ITEMS &&
      (count === 0 || size + read[at + count]!.size < MAX_BODY_CHARS)
    ) {
      size += read[at + count]!.size;
      count += 1;
    }
    const body = {
      items: read.slice(at, at + count).map(({ item }) => item),
      ...(options.instance !== undefined && { instance: options.instance }),
    };
    outcomes.push(...(await hub.post('/api/v1/approvals/import', importedSchema, body)).items);
    at += count;
  }
  if (outcomes.some(({ problem }) => problem !== null)) exitWith(1);
  if (json)
    await io.out(
      `${JSON.stringify({ items: options.dryRun === true ? read.map(({ note, digest }) => ({ note, digest })) : outcomes })}\n`,
    );
  else if (options.dryRun === true)
    for (const { note, digest } of read) await io.out(`${digest}  ${printable(note)}\n`);
  else for (const outcome of outcomes) await io.out(`${printable(wordsOf(outcome))}\n`);
  await written();
}

function wordsOf({ note, outcome, review, approval, problem }: Outcome): string {
  if (problem !== null) return `${note}: not asked: ${problem.detail}`;
  if (outcome === 'approved') return `${note}: approved already, approval ${approval}`;
  return `${note}: review ${review} asks for it; nothing runs because of the import alone`;
}

/** `holdpoint approvals import FOLDER`. */
export function defineImport(approvals: Command, context: CommandContext): void {
  withHub(approvals.command('import'))
    .description('ask people about the configurations of job payloads in a folder (*.json); approves none')
    .argument('<folder>')
    .option('--variable-key-file <file>', 'key of hashed values: 32 bytes, or 64 hex digits, or base64')
    .option('--jwks <file>', "GitLab's key set (/oauth/discovery/keys), to verify id tokens")
    .option('--instance <url>', 'address of GitLab, for a hub that has seen no job yet')
    .option('--dry-run', 'print the digests and ask nothing')
    .action((folder: string, _, own: Command) => importFolder(folder, own, context));
}
