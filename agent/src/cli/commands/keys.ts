import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import type { CommandContext } from '../context.ts';
import { type KeptFlags, keptConfig, withKept } from '../kept-config.ts';
import type { KeyKind, KeyReport, KeyView, TouchedApproval } from '../parts.ts';
import { minute, table } from '../render.ts';

const KINDS: readonly KeyKind[] = ['hub', 'seal', 'variable'];
const WHAT: Readonly<Record<KeyKind, string>> = {
  hub: 'signs the audit',
  seal: 'seals parked jobs and runner tokens',
  variable: 'hashes hidden values in configurations',
};

const iso = (ms: number): string => new Date(ms).toISOString();

function listPage(keys: readonly KeyView[], columns: number): string {
  const rows = keys.map(({ kind, id, since, path }) => [kind, WHAT[kind], minute(iso(since)).slice(0, 10), path, id]);
  const heads = [
    { title: 'KEY' },
    { title: 'FOR', least: 10 },
    { title: 'SINCE' },
    { title: 'FILE', least: 10 },
    { title: 'ID', least: 16 },
  ];
  const open = keys.filter(({ interrupted }) => interrupted);
  const notes = open.map(
    ({ kind }) =>
      `! A rotation of the ${kind} key was interrupted: the next start, or "holdpoint keys rotate ${kind}", ends it.\n`,
  );
  const pem = keys.find(({ kind }) => kind === 'hub')?.publicKey ?? '';
  return `${table(heads, rows, columns)}${notes.join('')}\nPublic key of the hub, to be kept where auditors find it:\n${pem}`;
}

function named(title: string, list: readonly TouchedApproval[]): readonly string[] {
  if (list.length === 0) return [];
  const lines = list.map(({ id, project, job, ref, environment }) =>
    printable(`  ${id}  ${project}, ${job}, ${ref}${environment === null ? '' : `, environment ${environment}`}`),
  );
  return [title, ...lines];
}

function impactLines({ kept, tolerated, lost, denials, open }: NonNullable<KeyReport['impact']>): readonly string[] {
  return [
    `${kept} approvals have no hidden value in them: nothing changes.`,
    `${tolerated.length} approvals have hidden values that the policy lets differ: their jobs pass as before.`,
    ...named('', tolerated).slice(1),
    `${lost.length} approvals can match no job any more: each of these jobs waits once, and shows its hidden values as changed.`,
    ...named('', lost).slice(1),
    ...(denials.length === 0
      ? []
      : [
          `${denials.length} remembered rejects match no job any more (${denials.join(', ')}): such a job waits instead of being refused.`,
        ]),
    ...(open.length === 0
      ? []
      : [`! ${open.length} open holds stand in the way (${open.join(', ')}): decide on them or cancel them first.`]),
  ];
}

function rotatePage({ kind, dryRun, from, to, sealed, publicKey, impact }: KeyReport): string {
  const lines = [
    dryRun
      ? `The ${kind} key ${from} would be put out of use.`
      : `The ${kind} key ${from} is put out of use; ${to} takes its place.`,
    ...(sealed === null ? [] : [`${sealed} files ${dryRun ? 'would be' : 'are'} sealed with the new one.`]),
    ...(impact === null ? [] : impactLines(impact)),
    ...(publicKey === null
      ? []
      : ['What the old key has signed goes on being verified. Its public key, for auditors:', publicKey.trimEnd()]),
    ...(dryRun
      ? []
      : [
          'Make a backup: older ones have the old key. Then start it; other hubs on this store need the new file first.',
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

/** `holdpoint keys [list|rotate KIND]`. */
export function define(command: Command, { io, json, parts }: CommandContext): void {
  const config = (flags: KeptFlags) => keptConfig(flags, io);
  const withConfig = (own: Command): Command => withKept(own).option('--json', 'answer as JSON');
  withConfig(command.command('list', { isDefault: true }))
    .description('which keys there are, never their text')
    .action(async (flags: KeptFlags) => {
      const keys = (await parts.care()).listKeys(config(flags));
      const items = keys.map((key) => ({ ...key, since: iso(key.since) }));
      return io.out(json ? `${JSON.stringify({ items })}\n` : listPage(keys, io.columns));
    });
  withConfig(command.command('rotate'))
    .description('put a new key in the place of an old one, while the agent or the hubs are stopped')
    .argument('<kind>', KINDS.join(', '))
    .option('--dry-run', 'only say what it would do; they may run')
    .action(async (text: string, flags: KeptFlags & { readonly dryRun?: boolean }) => {
      if (text === 'recordings')
        throw new HoldpointError(
          'bad_usage',
          'the key of recordings is not rotated: each recording is sealed with it until its time is over ("retention" of the policy), and could be opened no more',
        );
      const kind = KINDS.find((each) => each === text);
      if (kind === undefined)
        throw new HoldpointError(
          'bad_usage',
          `there is no key "${text}": wanted ${KINDS.join(', ')}; tokens are rotated with "holdpoint token rotate"`,
        );
      const { rotateKey } = await parts.care();
      const done = await rotateKey(config(flags), kind, { dryRun: flags.dryRun === true, now: io.now() });
      return io.out(json ? `${JSON.stringify(done)}\n` : rotatePage(done));
    });
}
