import { addEntry, type Parking, sealNow } from './parking.ts';

/** How a payload of GitLab begins: enough to say whose it is when the rest never came. */
const HEAD = /^\s*\{\s*"id"\s*:\s*([1-9][0-9]{0,14})\s*,\s*"token"\s*:\s*"([A-Za-z0-9._~+/=-]{1,8192})"/;

/** Nothing was read, so nobody is asked: a plain failure of the infrastructure, which GitLab may retry by itself. */
const REASON = 'runner_system_failure';

/**
 * A job that GitLab counts as handed out and that arrived broken: where its beginning tells whose it is, it is failed
 * there, so that nobody waits for it (T40). The answer is its id, null where nothing can be told.
 */
export function failUnread(
  parking: Parking,
  bytes: Uint8Array,
  from: { readonly name: string; readonly pool: string },
): number | null {
  const match = HEAD.exec(Buffer.from(bytes.subarray(0, 16_384)).toString('latin1'));
  const jobId = match === null ? null : Number(match[1]);
  if (match === null || jobId === null || parking.entries.has(jobId) || parking.ended.has(jobId)) return null;
  const now = parking.clock.now();
  const entry = addEntry(
    parking,
    {
      jobId,
      token: match[2]!,
      pool: from.pool,
      runner: from.name,
      digest: null,
      payloadSha256: '',
      hold: null,
      url: null,
      state: 'failing',
      person: null,
      receivedAt: now,
      parkedUntil: now,
      handedOutAt: null,
      timeoutS: 0,
      failureReasons: [],
      noteBytes: 0,
      pendingNote: 'Holdpoint: the job arrived broken and is failed; nothing of it ran.',
      failWith: REASON,
      reports: [],
    },
    null,
    false,
  );
  void sealNow(parking, entry).then(() => parking.tend(entry));
  return jobId;
}
