import { HoldpointError } from '../domain/errors.ts';
import { shownAs } from '../domain/shown-configuration.ts';
import { type HoldDetail, holdDetailSchema, lifetimeSchema } from '../wire/api.ts';
import type { HubClient } from './client.ts';

/** A full digest as people paste it, with or without `sha256:`; a prefix is refused: another configuration may begin alike (T36). */
export function fullDigest(text: string): string {
  const hex = text.replace(/^sha256:/, '');
  if (/^[0-9a-f]{64}$/.test(hex)) return `sha256:${hex}`;
  const short = /^[0-9a-f]{1,63}$/.test(hex);
  const why = short
    ? `${hex.length} of 64 digits: another configuration can begin with the same ones`
    : 'wanted "sha256:" and 64 lower-case hex digits';
  throw new HoldpointError('bad_input', `--digest: ${why}; take the whole digest from "holdpoint holds show ID"`);
}

/** A lifetime as the hub takes it. */
export function lifetimeOf(text: string | undefined): string | undefined {
  if (text === undefined || lifetimeSchema.safeParse(text).success) return text;
  throw new HoldpointError('bad_usage', '--lifetime: wanted run, uses:N, standing or until:YYYY-MM-DD');
}

/** A comment that the hub would take. */
export function commentOf(text: string | undefined): string | undefined {
  if (text !== undefined && (text.trim() === '' || text.length > 4_000)) {
    throw new HoldpointError('bad_usage', '--comment: wanted 1 to 4,000 characters');
  }
  return text;
}

/**
 * Reads a Hold and makes sure that it has this very digest, and that the configuration the hub shows for it has it too:
 * nobody approves what they cannot have seen (T13, T36). Nothing has been sent when this throws.
 */
export async function holdWithDigest(hub: HubClient, id: number, digest: string): Promise<HoldDetail> {
  const hold = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
  if (hold.digest !== digest) {
    const way = `look at it again with "holdpoint holds show ${id}"`;
    throw new HoldpointError('digest_mismatch', `hold ${id} has the digest ${hold.digest}, not the one given; ${way}`);
  }
  const shown = shownAs(hold.configuration, digest);
  if (shown.kind === 'hidden' && !hold.may_vote.allowed) {
    const reason = hold.may_vote.reason ?? 'the hub gives no reason';
    throw new HoldpointError('not_eligible', `you may not vote on hold ${id}: ${reason}`);
  }
  if (shown.kind !== 'checked') {
    const why = 'the configuration that the hub shows for it does not have this digest; tell whoever runs the hub';
    throw new HoldpointError('digest_mismatch', `hold ${id}: ${why}`);
  }
  return hold;
}
