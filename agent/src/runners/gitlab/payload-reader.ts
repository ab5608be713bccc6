import type { Json } from '../../domain/json.ts';
import type { Reading, ReadOptions } from './configuration.ts';

/** How payloads are read; another one than the real in tests only. */
export interface PayloadReader {
  readPayload(bytes: Uint8Array, options: ReadOptions): Reading;
  jobIdentity(bytes: Uint8Array): { id: number; token: string } | null;
  lowerTimeout(bytes: Uint8Array, timeoutS: number): Uint8Array;
  jwksVerifier(jwks: unknown): (jwt: string) => Record<string, Json> | null;
}
