import { HoldpointError } from '../domain/errors.ts';
import type { Removal } from '../domain/retention.ts';
import type { StoreReader } from '../ports/store.ts';

/** Whose configuration or facts are asked for, as people name it; `hold` has the facts, where they are asked for too. */
export interface Asked {
  readonly what: string;
  readonly digest: string;
  readonly hold: number | null;
}

const told = (what: string, { at, policy }: Removal): string =>
  `its ${what} removed on ${new Date(at).toISOString().slice(0, 10)} under the retention of policy ${policy}`;

/** Why the store has no configuration or no facts: removed for their age (when, and under which policy), or a fault of ours. */
export async function whyGone(
  store: Pick<StoreReader, 'configurationRemoved' | 'factsRemoved'>,
  { what, digest, hold }: Asked,
): Promise<HoldpointError> {
  const configuration = await store.configurationRemoved(digest);
  const facts = hold === null ? null : await store.factsRemoved(hold);
  const gone = [
    ...(configuration === null ? [] : [told('configuration was', configuration)]),
    ...(facts === null ? [] : [told('facts were', facts)]),
  ];
  if (gone.length === 0) return new HoldpointError('internal', `${what}: the store lacks its configuration or facts`);
  const way =
    hold === null
      ? 'who approved it and when is in the audit ("holdpoint audit list"), and in exports'
      : `who let it run and why is in the audit: "holdpoint audit timeline hold ${hold}"`;
  return new HoldpointError('removed', `${what}: ${gone.join(', ')}; ${way}`);
}
