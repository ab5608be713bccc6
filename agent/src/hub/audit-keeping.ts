import { type AuditKeeper, checkAudit, checkpoint, lookForCut } from '../app/checkpoint.ts';
import type { HubContext } from '../app/hub-context.ts';
import { notePolicy } from '../app/note-policy.ts';
import { HoldpointError } from '../domain/errors.ts';
import { pemOf } from '../domain/hub-key.ts';
import type { Log } from '../ports/log.ts';

/** How often the end of the audit is signed: what happened since can be cut off unnoticed by whoever has the store (T28). */
const SIGN_EVERY_MS = 30_000;

/** What the audit needs while a hub runs. */
export interface AuditKeeping {
  /** To be called whenever the policy was asked for. */
  policyIs(version: string): void;
  /** Resolves when the whole audit was looked at. */
  start(): Promise<void>;
  /** Whether the whole audit verified when it was looked at; null before. */
  intact(): boolean | null;
  /** Signs the end once more. */
  close(): Promise<void>;
}

const words = (error: unknown): string => (error instanceof HoldpointError ? error.message : String(error));

/** Checks the audit at the start, signs its end all the time, and writes down that the policy has changed. */
export function keepAudit(context: HubContext, keeper: AuditKeeper, log: Log): AuditKeeping {
  let running: Promise<void> = Promise.resolve();
  let cancel = (): void => {};
  let stopped = false;
  let intact: boolean | null = null;
  let inForce: string | null = null;
  const run = (what: string, work: () => Promise<void>): Promise<void> => {
    running = running.then(work).catch((error: unknown) => log.error({ error: words(error) }, what));
    return running;
  };
  const policyChanged = (): void => {
    void run('that the policy changed could not be written into the audit; it is tried at the next start', async () => {
      if (await notePolicy(context)) log.info({ version: inForce }, 'another version of the policy is in force');
    });
  };
  /** A broken chain stops nothing: whoever broke it must not be able to stop jobs with it. It is said loudly. */
  const check = async (): Promise<void> => {
    const { report, formerKey } = await checkAudit(context, keeper);
    intact = report.ok;
    if (!report.ok) log.error({ fault: report.fault, seq: report.seq }, report.message);
    if (formerKey !== null) {
      log.warn({ former: formerKey, key: keeper.signer.keyid }, 'the hub signs with another key than before');
    }
  };
  /** A store that went back under a running hub: votes that people were told are taken may be gone, and revokes. */
  const look = async (): Promise<void> => {
    const gone = await lookForCut(context, keeper);
    if (gone === null) return;
    if (intact !== false)
      log.error(
        { seq: gone.seq, hash: gone.hash },
        `the audit was signed up to row ${gone.seq}, and the store no longer has that row: it has gone back, as after a failover to a standby that was behind; look through approvals, denials and tokens for what was taken back since`,
      );
    intact = false;
  };
  const sign = async (force: boolean): Promise<void> => {
    await look();
    const head = await checkpoint(context, keeper, force);
    if (head !== null)
      log.debug({ seq: head.seq, hash: head.hash, root: head.root }, 'the end of the audit was signed');
  };
  const signAndAgain = (): void => {
    void run('the end of the audit could not be signed; it is tried again', () => sign(false)).then(() => {
      if (!stopped) cancel = context.clock.after(SIGN_EVERY_MS, signAndAgain);
    });
  };
  return {
    policyIs(version) {
      if (inForce === null || version === inForce) return;
      inForce = version;
      policyChanged();
    },
    start() {
      const { keyid, publicKey } = keeper.signer;
      log.info({ keyid, publicKey: pemOf(publicKey) }, 'the audit is signed with this key');
      void run('the policy in force could not be written into the audit', async () => {
        inForce = (await context.policy()).version;
        await notePolicy(context);
      });
      const checked = run('the audit chain could not be read', check);
      signAndAgain();
      return checked;
    },
    intact: () => intact,
    async close() {
      stopped = true;
      cancel();
      await run('the end of the audit could not be signed at the stop', () => sign(true));
    },
  };
}
