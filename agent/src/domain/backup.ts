import { HoldpointError } from './errors.ts';

/** Form of the manifest of a backup. */
export const BACKUP_FORM = 'holdpoint.backup/v1';

/** What a backup says of itself: `backup.json` in its folder. */
export interface BackupManifest {
  readonly form: typeof BACKUP_FORM;
  /** Version of the program that wrote it, and of the store's schema. */
  readonly version: string;
  readonly schema: number;
  /** Epoch ms. */
  readonly at: number;
  /** True: an agent ran meanwhile, and has gone on since. */
  readonly running: boolean;
  /** Whether the keys are in it. */
  readonly keys: boolean;
  /** The last row of the audit in it. */
  readonly audit: { readonly seq: number; readonly hash: string };
  /** Every file but the manifest: path below the folder, and SHA-256 (hex). */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

/** What of the last backup is kept beside the state: when, where to, and up to which row of the audit. */
export interface LastBackup {
  /** Epoch ms. */
  readonly at: number;
  readonly out: string;
  readonly seq: number;
  readonly keys: boolean;
}

/** Names that a backup may have in it, and nothing else: no `..`, no second folder. */
const PATH =
  /^(?:hub\.sqlite|audit-head\.json|link-cursor|keys\/(?:variable|seal|hub|recordings)\.key|parking\/[1-9]\d{0,15}\.job|runner-tokens\/[0-9a-f]{32}\.token)$/;

/** The manifest of a text. Throws `bad_input` for anything else; `schema` is what this program knows. */
export function readManifest(text: string, name: string, schema: number): BackupManifest {
  const refuse = (why: string, way: string) => new HoldpointError('bad_input', `${name} ${why}: ${way}`);
  let said: Partial<Record<keyof BackupManifest, unknown>> | null;
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    said = null;
  }
  if (said?.form !== BACKUP_FORM)
    throw refuse(
      'is no manifest of a backup',
      `wanted form ${BACKUP_FORM}; name a folder that "holdpoint backup" wrote`,
    );
  const { version, at, running, keys, audit, files } = said as Partial<BackupManifest>;
  const list = Array.isArray(files) ? files : null;
  const sound =
    typeof version === 'string' &&
    Number.isSafeInteger(said.schema) &&
    Number.isSafeInteger(at) &&
    typeof running === 'boolean' &&
    typeof keys === 'boolean' &&
    Number.isSafeInteger(audit?.seq) &&
    typeof audit?.hash === 'string' &&
    list?.every((file) => typeof file?.path === 'string' && PATH.test(file.path) && /^[0-9a-f]{64}$/.test(file.sha256));
  if (!sound) throw refuse('is damaged', 'take another backup');
  if (Number(said.schema) > schema) {
    throw refuse(
      `has schema ${said.schema}, and this program knows up to ${schema}`,
      `restore it with holdpoint ${version} or newer`,
    );
  }
  return said as BackupManifest;
}
