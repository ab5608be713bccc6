import type { Verify } from '../../domain/audit-head.ts';
import type { Signer } from '../../domain/dsse.ts';
import { HoldpointError } from '../../domain/errors.ts';
import {
  finished,
  type KeptReceipt,
  newReceipt,
  type Receipt,
  type ReceiptWay,
  receiptOf,
  spent,
  whyNot,
} from '../../domain/receipt.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { JobReader, ReceiptKeep } from '../../ports/receipt-keep.ts';
import type { ReceiptRefusal, SpendAnswer, SpentReceipt } from '../../ports/receipts.ts';

/** A job is told its time by GitLab, and one that ends late is cleaned up after: kept so much longer, to tell a replay (T39). */
const AFTER_END_MS = 3_600_000;
/** What no job needs: an hour for one whose payload names no timeout. */
const ASSUMED_TIMEOUT_S = 3_600;
const SWEEP_MS = 600_000;

/** What is kept of a job besides its payload. */
export interface Issued {
  readonly runner: string;
  readonly digest: string | null;
  readonly hold: number | null;
  readonly through: ReceiptWay;
  readonly images: Readonly<Record<string, string>>;
}

/** Who asks, as the kernel says it. */
export interface Asker {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** A refusal that people must hear of. */
export interface ReceiptTrouble {
  /** 0 where not even that can be told. */
  readonly jobId: number;
  readonly hold: number | null;
  readonly refusal: ReceiptRefusal;
  readonly words: string;
  /** Who asked. */
  readonly uid: number;
}

/** How a receipt stands, for whoever operates the host. */
export interface ReceiptView extends Receipt {
  readonly state: KeptReceipt['state'];
  readonly session: { readonly uid: number; readonly at: number } | null;
}

export interface DeskDeps {
  readonly keep: ReceiptKeep;
  readonly signer: Signer;
  readonly verify: Verify;
  readonly jobs: JobReader;
  readonly validMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each refusal; never throws. */
  readonly trouble: (trouble: ReceiptTrouble) => void;
  /** Counts what became of a question, or of a hand-over. */
  readonly count: (outcome: 'issued' | 'spent' | ReceiptRefusal) => void;
}

/** The agent's side of receipts: written at each hand-over, spent once. */
export interface ReceiptDesk {
  /** Durable when it resolves. Rejects when no receipt could be written: then the job must not go out. */
  issue(payload: Uint8Array, issued: Issued): Promise<void>;
  /** The job provably did not reach the runner. */
  withdraw(jobId: number): Promise<void>;
  /** `runner`: the name that the executor was set up for; null where it was told none. */
  spend(file: Uint8Array, session: string, runner: string | null, asker: Asker): Promise<SpendAnswer>;
  /** Where nothing but the job's id and token is to be had; weaker, since nothing is compared. */
  check(jobId: number, token: string, asker: Asker): Promise<SpendAnswer>;
  finish(session: string, asker: Asker): Promise<void>;
  list(): Promise<readonly ReceiptView[]>;
  /** Every receipt that was not spent is worth nothing any more: this state is older than what happened. */
  forfeit(): Promise<void>;
  close(): Promise<void>;
}

/** Refused in words for the job log: subject, found, wanted, way out. */
const WORDS = {
  none: (id: number) =>
    `job ${id} has no receipt of this host's agent: it did not come through the gateway, or its receipt is too old; let the runner ask the gateway, and retry the job`,
  forged: (id: number) =>
    `the receipt of job ${id} was not written by this host's agent: look into its state_dir, then retry the job`,
  used: (id: number) =>
    `the receipt of job ${id} is used already: a job runs once for each hand-over; retry the job in GitLab`,
  expired: (id: number) =>
    `the receipt of job ${id} has expired: the runner took too long to start it, or a clock was set; retry the job in GitLab`,
  unread: (reason: string) =>
    `JOB_RESPONSE_FILE cannot be read (${reason}): update gitlab-runner and Holdpoint, then retry the job`,
  differs: (id: number, places: readonly string[]) =>
    `job ${id} is not the one that was let through: it differs at ${places.join(', ')}; nothing of it was run; look at who can write on this host, or update gitlab-runner if it does not know the field`,
  runner: (id: number, issuedTo: string, runner: string) =>
    `job ${id} was handed to runner ${issuedTo}, and this is the executor of ${runner}: give each its own gateway token, then retry the job`,
  failed: (id: number) => `the receipt of job ${id} cannot be read or written: see the log of the agent, then retry`,
} as const;

/** Opens the desk; the caller closes it. */
export function openReceiptDesk(deps: DeskDeps): ReceiptDesk {
  const { keep, signer, verify, jobs, validMs, clock, log } = deps;
  const queues = new Map<number, Promise<unknown>>();
  /** Sessions by name, so that an end is found by the name alone; found again on the disk after a restart. */
  const sessions = new Map<string, number>();
  let stopped = false;

  const inTurn = <T>(jobId: number, run: () => Promise<T>): Promise<T> => {
    const result = (queues.get(jobId) ?? Promise.resolve()).then(run);
    const settled = result.then(
      () => {},
      () => {},
    );
    queues.set(jobId, settled);
    settled.then(() => {
      if (queues.get(jobId) === settled) queues.delete(jobId);
    });
    return result;
  };

  const refuse = (jobId: number, refusal: ReceiptRefusal, words: string, asker: Asker, hold: number | null = null) => {
    log.error({ job: jobId, hold, refusal, uid: asker.uid, pid: asker.pid }, words);
    deps.count(refusal);
    deps.trouble({ jobId, hold, refusal, words, uid: asker.uid });
    return { ok: false, refusal, words } as const;
  };

  const read = async (jobId: number): Promise<{ kept: KeptReceipt; receipt: Receipt | null } | null> => {
    const kept = await keep.get(jobId);
    return kept === null ? null : { kept, receipt: receiptOf(kept, signer.publicKey, verify) };
  };

  const given = ({ jobId, digest, runner, images, through }: Receipt): SpentReceipt => ({
    jobId,
    digest,
    runner,
    images,
    through,
  });

  const sweep = async (): Promise<void> => {
    for (const jobId of await keep.ids()) {
      if (stopped) return;
      await inTurn(jobId, async () => {
        const found = await read(jobId).catch(async (error: unknown) => {
          // What cannot be trusted is worth nothing: without it the job is refused just so. A disk that fails is another matter.
          if (!(error instanceof HoldpointError || error instanceof SyntaxError)) return null;
          log.error({ job: jobId, reason: error.message }, 'a receipt cannot be trusted, and is taken away');
          await keep.remove(jobId);
          return null;
        });
        if (found === null) return;
        const { kept, receipt } = found;
        const end = receipt === null ? Number.POSITIVE_INFINITY : receipt.endsBefore + AFTER_END_MS;
        // The job lies in one that nobody asked for in time: what expired is told apart without it (T31).
        if (receipt === null || end < clock.now()) await keep.remove(jobId);
        else if (kept.job !== null && receipt.expires < clock.now()) await keep.put({ ...kept, job: null });
      });
    }
  };
  let cancel: () => void = () => {};
  const sweepOn = (): void => {
    sweep()
      .catch((error: unknown) => log.warn({ reason: (error as Error).message }, 'old receipts could not be removed'))
      .finally(() => {
        if (!stopped) cancel = clock.after(SWEEP_MS, sweepOn);
      });
  };
  sweepOn();

  const spend = async (
    jobId: number,
    session: string,
    runner: string | null,
    asker: Asker,
    seen: { readonly job: Parameters<JobReader['differences']>[1]; readonly sha256: string },
  ): Promise<SpendAnswer> => {
    const found = await read(jobId);
    if (found === null) return refuse(jobId, 'no_receipt', WORDS.none(jobId), asker);
    const { kept, receipt } = found;
    if (receipt === null) return refuse(jobId, 'mismatch', WORDS.forged(jobId), asker);
    const { hold } = receipt;
    const why = whyNot(kept, receipt, { name: session, uid: asker.uid }, clock.now());
    if (why !== null) return refuse(jobId, why, WORDS[why](jobId), asker, hold);
    if (runner !== null && runner !== receipt.runner)
      return refuse(jobId, 'mismatch', WORDS.runner(jobId, receipt.runner, runner), asker, hold);
    if (kept.session !== null) {
      // The same session once more: a further attempt, or a later stage.
      if (kept.session.sawSha256 === seen.sha256) return { ok: true, receipt: given(receipt) };
      return refuse(jobId, 'mismatch', WORDS.differs(jobId, ['what the same session showed before']), asker, hold);
    }
    const places = kept.job === null ? ['(document)'] : jobs.differences(kept.job, seen.job);
    if (places.length > 0) return refuse(jobId, 'mismatch', WORDS.differs(jobId, places), asker, hold);
    const { uid } = asker;
    await keep.put(spent(kept, { name: session, uid, sawSha256: seen.sha256, at: clock.now() }));
    sessions.set(session, jobId);
    deps.count('spent');
    log.info({ job: jobId, hold, uid, runner: receipt.runner, through: receipt.through }, 'a receipt was spent');
    return { ok: true, receipt: given(receipt) };
  };

  const guarded = (jobId: number, asker: Asker, run: () => Promise<SpendAnswer>): Promise<SpendAnswer> =>
    inTurn(jobId, run).catch((error: unknown) => {
      log.error({ job: jobId, reason: (error as Error).message }, 'a receipt cannot be read or written');
      return refuse(jobId, 'mismatch', WORDS.failed(jobId), asker);
    });

  const sessionOf = async (name: string): Promise<number | null> => {
    const known = sessions.get(name);
    if (known !== undefined) return known;
    for (const jobId of await keep.ids()) {
      const kept = await keep.get(jobId).catch(() => null);
      if (kept?.session?.name === name) return jobId;
    }
    return null;
  };

  return {
    async issue(payload, { runner, digest, hold, through, images }) {
      const job = jobs.handedOver(payload);
      if (job === null) throw new Error('the payload cannot be read for a receipt');
      const now = clock.now();
      const timeoutMs = (job.timeoutS > 0 ? job.timeoutS : ASSUMED_TIMEOUT_S) * 1_000;
      const receipt: Receipt = {
        jobId: job.jobId,
        digest: digest ?? '',
        runner,
        hold,
        through,
        images,
        issued: now,
        expires: now + validMs,
        endsBefore: now + validMs + timeoutMs,
        jobSha256: job.sha256,
      };
      await inTurn(job.jobId, () => keep.put(newReceipt(signer, receipt, job.job)));
      deps.count('issued');
    },
    withdraw: (jobId) => inTurn(jobId, () => keep.remove(jobId)),
    async spend(file, session, runner, asker) {
      const seen = jobs.seen(file);
      if (!seen.ok) return refuse(0, 'mismatch', WORDS.unread(seen.reason), asker);
      const { jobId } = seen;
      return guarded(jobId, asker, () => spend(jobId, session, runner, asker, seen));
    },
    check(jobId, token, asker) {
      return guarded(jobId, asker, async () => {
        const found = await read(jobId);
        if (found === null) return refuse(jobId, 'no_receipt', WORDS.none(jobId), asker);
        const { kept, receipt } = found;
        if (receipt === null) return refuse(jobId, 'mismatch', WORDS.forged(jobId), asker);
        const { hold } = receipt;
        const session = `check-${jobId}`;
        const why =
          whyNot(kept, receipt, { name: session, uid: asker.uid }, clock.now()) ?? (kept.session ? 'used' : null);
        if (why !== null) return refuse(jobId, why, WORDS[why](jobId), asker, hold);
        if (kept.job?.token !== token) return refuse(jobId, 'mismatch', WORDS.differs(jobId, ['token']), asker, hold);
        await keep.put(spent(kept, { name: session, uid: asker.uid, sawSha256: '', at: clock.now() }));
        deps.count('spent');
        return { ok: true, receipt: given(receipt) };
      });
    },
    async finish(session, { uid }) {
      const jobId = await sessionOf(session);
      if (jobId === null) return;
      await inTurn(jobId, async () => {
        const kept = await keep.get(jobId);
        if (kept?.session?.name !== session || kept.session.uid !== uid) return;
        if (kept.state !== 'finished') await keep.put(finished(kept));
        sessions.delete(session);
      });
    },
    async list() {
      const views: ReceiptView[] = [];
      for (const jobId of await keep.ids()) {
        const found = await read(jobId).catch(() => null);
        if (found?.receipt == null) continue;
        const { kept, receipt } = found;
        const session = kept.session === null ? null : { uid: kept.session.uid, at: kept.session.at };
        views.push({ ...receipt, state: kept.state, session });
      }
      return views.sort((a, b) => b.issued - a.issued);
    },
    async forfeit() {
      for (const jobId of await keep.ids()) {
        const kept = await keep.get(jobId).catch(() => null);
        if (kept?.state !== 'spent') await keep.remove(jobId);
      }
    },
    async close() {
      stopped = true;
      cancel();
      await Promise.all(queues.values());
    },
  };
}
