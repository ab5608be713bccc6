import type { ImageReference } from '../domain/image-reference.ts';

/** A name that a registry is asked about, and what may be used for it. */
export interface RegistryQuestion {
  readonly image: ImageReference;
  /** Who may pull there; null: nobody in particular. */
  readonly credential: { readonly username: string; readonly password: string } | null;
  /** Hosts that may be asked: registries, and where they send callers for a token. */
  readonly allowed: readonly string[];
}
/** What the name stands for at this moment, or why nobody could tell, in words. */
export type RegistryAnswer =
  | { readonly ok: true; readonly digest: string }
  | { readonly ok: false; readonly retry: boolean; readonly reason: string };

/** Asks registries what a name stands for. Never rejects. */
export interface Registries {
  resolve(question: RegistryQuestion): Promise<RegistryAnswer>;
  close(): Promise<void>;
}
