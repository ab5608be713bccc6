/** Authenticated encryption of what lies on disk; `context` is bound to it and must be the same to open it again. */
export interface Seal {
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Throws when the bytes were changed, sealed for another context or under another key. */
  open(sealed: Uint8Array, context: string): Uint8Array;
}
