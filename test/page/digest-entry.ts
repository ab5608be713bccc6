import { digestOf } from '../../agent/src/domain/digest.ts';
import type { Json, JsonObject } from '../../agent/src/domain/json.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';

/** What the test asks the page to do. Claims are those that Node verified: signatures are not the page's to check. */
export interface DigestTask {
  readonly payload: string;
  readonly variableKey: readonly number[];
  readonly claims: Readonly<Record<string, Record<string, Json>>>;
}
/** The digest of the payload read in the page, and the one the page computes from the Configuration it shows. */
export interface DigestAnswer {
  readonly read: string;
  readonly shown: string;
  readonly canonical: string;
}

function answer(task: DigestTask): DigestAnswer {
  const reading = readPayload(new TextEncoder().encode(task.payload), {
    instance: '',
    runner: '',
    variableKey: Uint8Array.from(task.variableKey),
    verifyIdToken: (jwt) => task.claims[jwt] ?? null,
  });
  if (!reading.ok) return { read: `${reading.path}: ${reading.reason}`, shown: '', canonical: '' };
  // As an answer of the hub brings it: parsed by the browser, objects with prototypes.
  const shown = JSON.parse(reading.canonical) as JsonObject;
  return { read: reading.digest, shown: digestOf(shown), canonical: reading.canonical };
}

Object.assign(globalThis, { answerDigestTask: answer });
