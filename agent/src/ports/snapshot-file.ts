/** What an agent keeps of its hub's newest snapshot over a restart. */
export interface KeptSnapshot {
  readonly head: string;
  readonly body: string;
  /** Base64url. */
  readonly signature: string;
  /** Epoch ms by this agent's own time, which never goes back. */
  readonly receivedAt: number;
  /** The highest time that this agent has seen. */
  readonly latest: number;
  /** The hub's variable key, base64url: without it no digest can be computed. */
  readonly variableKey: string;
}
/** Where it is kept. */
export interface SnapshotFile {
  /** Null where there is none, or none that can be read. */
  load(): KeptSnapshot | null;
  /** Whole or not at all; throws when the disk does not take it. */
  save(kept: KeptSnapshot): void;
}
