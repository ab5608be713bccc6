import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** What is hashed of one hidden value; version, project and name are in it, so that equal values of two names do not look equal. */
export function tagMessage(projectId: number, name: string, text: string): string {
  return `holdpoint.variable/v1\u0000${projectId}\u0000${name}\u0000${text}`;
}

/** What tells a variable key from another and says nothing of it: shown to people, and kept in the store that was written with it. */
export function variableKeyId(key: Uint8Array): string {
  return bytesToHex(hmac(sha256, key, utf8ToBytes('holdpoint.key-id/v1'))).slice(0, 16);
}

/** The HMAC-SHA-256 (hex) that stands in the form for a hidden value; `text` is the RFC 8785 text of what would otherwise stand there. */
export function variableTag(key: Uint8Array, projectId: number, name: string, text: string): string {
  return bytesToHex(hmac(sha256, key, utf8ToBytes(tagMessage(projectId, name, text))));
}
