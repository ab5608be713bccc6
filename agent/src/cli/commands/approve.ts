import type { Command } from 'commander';
import { z } from 'zod';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { INPUTS, parseScopeWish } from '../../domain/scope.ts';
import { type HoldDetail, holdDetailSchema } from '../../wire/api.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf, fullDigest, holdWithDigest, lifetimeOf } from '../decide.ts';

interface Flags {
  readonly digest: string;
  readonly comment?: string;
  readonly scope: readonly string[];
  readonly lifetime?: string;
  readonly as?: string;
}

/** As many as one decision may take in the hub's own lists. */
const MAX_IDS = 200;

/** What became of a vote, in one line. */
function outcome(hold: HoldDetail): string {
  const head = `hold ${hold.id} (${hold.job}): ${hold.state}`;
  if (hold.state !== 'waiting_for_approval') return head;
  const open = hold.rules
    .filter((rule) => rule.have < rule.need)
    .map((rule) => `${rule.name} ${rule.have} of ${rule.need}`);
  return `${head}; your vote is counted${open.length > 0 ? `, still needed: ${open.join(', ')}` : ''}`;
}

async function approve(texts: readonly string[], command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<Flags>();
  const ids = [...new Set(texts.map((text) => idOf(text, 'hold')))];
  if (ids.length > MAX_IDS) throw new HoldpointError('bad_usage', `${ids.length} Holds at once; at most ${MAX_IDS}`);
  const digest = fullDigest(flags.digest);
  const lifetime = lifetimeOf(flags.lifetime);
  const comment = commentOf(flags.comment);
  parseScopeWish(flags.scope);
  const hub = connectHub(command, io);
  // All are looked at before the first vote is sent, so that a wrong one among them sends none.
  for (const id of ids) await holdWithDigest(hub, id, digest);

  const done: HoldDetail[] = [];
  for (const id of ids) {
    const now = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
    // The vote before may have answered this one's question as well.
    const answered = done.length > 0 && now.state !== 'waiting_for_approval' && now.approval !== null;
    if (!answered) {
      const body = {
        digest,
        ...(flags.scope.length > 0 && { scope: flags.scope.join(' ') }),
        ...(lifetime !== undefined && { lifetime }),
        ...(comment !== undefined && { comment }),
        ...(flags.as !== undefined && { represented_as: flags.as }),
      };
      await hub.post(`/api/v1/holds/${id}/approve`, z.unknown(), body);
    }
    const after = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
    done.push(after);
    if (!json) await io.out(`${printable(outcome(after))}\n`);
  }
  if (json) await io.out(`${JSON.stringify({ items: done, next_cursor: null })}\n`);
}

/** `holdpoint approve ID… --digest SHA256`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command)
    .argument('<id...>', 'Holds that have this digest')
    .requiredOption('--digest <sha256>', 'the whole digest that was shown, 64 hex digits')
    .option('--comment <text>', 'why')
    .option(
      '--scope <scope>',
      `inputs=${INPUTS.join('|')} (whose artifacts), ref=exact|protected|any|PATTERN, runners=NAME,NAME; may be given several times`,
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--as <rule>', 'count for this rule alone, by its name; without it: whichever rule needs you')
    .option('--lifetime <lifetime>', 'run (this Hold only), uses:N (so many runs), until:YYYY-MM-DD or standing')
    .action((ids: string[], _, own: Command) => approve(ids, own, context));
}
