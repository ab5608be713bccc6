import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { tagMessage } from '../../domain/variable-tag.ts';
import { PayloadRefusal } from './refusal.ts';
import type { Budget } from './unexpansion.ts';

/** The HMAC (hex) of one value under its name; `text` is the RFC 8785 text of what would otherwise stand in the form. */
export type Tagger = (name: string, text: string) => string;

/** An entry of the form that is an HMAC takes at least so many; more of them than the form has room for are not made. */
const CHARACTERS_OF_AN_ENTRY = 157;

/** Bytes of the key of HMACs. */
export const VARIABLE_KEY_BYTES = 32;

/**
 * HMAC-SHA-256 of `"holdpoint.variable/v1" 00 project id 00 name 00 text` (UTF-8). Version, project and name are in it, so
 * that equal values of two names or projects do not look equal. Without a key every use answers `variable_key_needed`.
 */
export function createTagger(key: Uint8Array | null, projectId: number, budget: Budget): Tagger {
  const known = new Map<string, string>();
  // The key is taken in once: of a payload of many secrets that was half the work.
  const keyed = key === null ? null : hmac.create(sha256, key);
  return (name, text) => {
    if (keyed === null) {
      throw new PayloadRefusal(
        'variable_key_needed',
        /^(?:credentials|inputs|secrets)\./.test(name) ? name : `variables.${name}`,
        'the value is not public, and stands in the form as an HMAC only: the variable key is needed',
      );
    }
    const message = tagMessage(projectId, name, text);
    let tag = known.get(message);
    if (tag === undefined) {
      budget.room -= CHARACTERS_OF_AN_ENTRY;
      if (budget.room < 0) {
        throw new PayloadRefusal('payload_refused', 'variables', 'too many values that are not public');
      }
      tag = bytesToHex(keyed.clone().update(utf8ToBytes(message)).digest());
      known.set(message, tag);
    }
    return tag;
  };
}
