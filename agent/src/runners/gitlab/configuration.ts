import { canonicalJson } from '../../domain/canonical-json.ts';
import { digestOfText } from '../../domain/digest.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Facts } from '../../domain/facts.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { walkJsonText } from '../../domain/json-text.ts';
import { readStrictJson } from '../../domain/strict-json.ts';
import type { RevealedValue } from '../../ports/agents.ts';
import type { JobSources } from '../../ports/ci-server.ts';
import { isDivertible } from './divertible.ts';
import { type ExplainRow, explainForm } from './explain.ts';
import { PAYLOAD } from './fields.ts';
import { formOf } from './form.ts';
import { factsOf, hasSuspendKey } from './payload-facts.ts';
import { PayloadRefusal } from './refusal.ts';
import { revealFrom } from './reveal.ts';
import { createScrub } from './scrub.ts';
import { sourcesOf } from './sources.ts';

/** What a reader of payloads must be told; the form depends on none of it but `variableKey` and the verifier. */
export interface ReadOptions {
  /** Origin of GitLab, e.g. `https://gitlab.example.com`. */
  readonly instance: string;
  /** The agent's own name for the `runners[]` entry that was given the job. */
  readonly runner: string;
  /** 32 bytes, or null where there is none: a payload with a value that needs it is then answered `variable_key_needed`. */
  readonly variableKey: Uint8Array | null;
  /** The claims of a JWT whose RS256 signature verifies against GitLab's key set, else null. */
  readonly verifyIdToken: (jwt: string) => Record<string, Json> | null;
}

/** What is needed of a job to answer for it upstream. */
export interface JobOfPayload {
  readonly id: number;
  readonly token: string;
  readonly timeoutS: number;
  readonly failureReasons: readonly string[];
  /** True when the payload has a `suspend_options.runtime_environment_key`: such a job passes on a `run` Approval only. */
  readonly suspendKey: boolean;
}

/** A payload read: its Configuration, digest and Facts, or the reason why it has none. */
export type Reading =
  | {
      readonly ok: true;
      readonly configuration: JsonObject;
      readonly canonical: string;
      readonly digest: string;
      readonly facts: Facts;
      readonly job: JobOfPayload;
      /** Leaf by leaf, in the payload's order. */
      readonly explain: () => readonly ExplainRow[];
      /** Takes the payload's secrets out of a text. */
      readonly scrub: (text: string) => string;
      /** Where the job takes what it runs with from. */
      readonly sources: JobSources;
      /** Whether nothing in it was made for a protected runner. */
      readonly divertible: () => boolean;
      /** Hidden values by name, for an approver alone. */
      readonly reveal: (names: readonly string[]) => readonly RevealedValue[];
    }
  | {
      readonly ok: false;
      readonly code: 'payload_refused' | 'variable_key_needed';
      readonly path: string;
      readonly reason: string;
    };

/** Four MiB of payload cannot make more; the hub refuses larger frames. */
export const MAX_FORM_BYTES = 6 * 1024 * 1024;
/** A shorter time is none for any job. */
export const MIN_TIMEOUT_S = 60;

function failureReasons(features: Json | undefined): readonly string[] {
  const list = isJsonObject(features) ? features.failure_reasons : undefined;
  return isJsonList(list) ? list.filter((reason): reason is string => typeof reason === 'string') : [];
}

/** Reads the bytes of a job payload once, strictly; deterministic, and never throws because of the payload. */
export function readPayload(bytes: Uint8Array, options: ReadOptions): Reading {
  const read = readStrictJson(bytes, PAYLOAD);
  if (!read.ok) return { ok: false, code: 'payload_refused', path: read.path, reason: read.reason };
  try {
    const form = formOf(read.value, options);
    const canonical = canonicalJson(form.configuration);
    if (canonical.length * 3 > MAX_FORM_BYTES && new TextEncoder().encode(canonical).length > MAX_FORM_BYTES) {
      throw new PayloadRefusal(
        'payload_refused',
        '(document)',
        `its form is larger than ${MAX_FORM_BYTES / 1024 / 1024} MiB`,
      );
    }
    const scrub = createScrub(form);
    return {
      ok: true,
      configuration: form.configuration,
      canonical,
      digest: digestOfText(canonical),
      facts: factsOf(form, scrub, options),
      job: {
        id: form.fields.id,
        token: form.fields.token,
        timeoutS: form.fields.timeoutS,
        failureReasons: failureReasons(form.payload.features),
        suspendKey: hasSuspendKey(form.payload),
      },
      explain: () => explainForm(form, scrub),
      scrub: scrub.text,
      sources: sourcesOf(form, scrub.name),
      reveal: (names) => revealFrom(form, names),
      divertible: () => isDivertible(form.payload, form.fields.token),
    };
  } catch (error) {
    if (error instanceof PayloadRefusal)
      return { ok: false, code: error.code, path: error.path, reason: error.message };
    throw error;
  }
}

/** Id and token of a payload, leniently read: only good for failing a refused job upstream. */
export function jobIdentity(bytes: Uint8Array): { id: number; token: string } | null {
  const text = new TextDecoder().decode(bytes);
  try {
    const { id, token } = JSON.parse(text) as { id?: unknown; token?: unknown };
    if (Number.isSafeInteger(id) && typeof token === 'string') return { id: id as number, token };
  } catch {
    // Not one document: the first members of these names are the job's, as GitLab writes them.
  }
  const id = /"id"\s*:\s*(\d{1,15})(?=\s*[,}])/.exec(text)?.[1];
  const token = /"token"\s*:\s*"([^"\\]+)"/.exec(text)?.[1];
  return id === undefined || token === undefined ? null : { id: Number(id), token };
}

/** The document without `runner_info.timeout`, canonically: all that a lowered time-out must leave as it is. */
function besidesTimeout(payload: JsonObject): string {
  const runnerInfo = emptyObject();
  if (isJsonObject(payload.runner_info)) {
    for (const name of Object.keys(payload.runner_info)) {
      if (name !== 'timeout') runnerInfo[name] = payload.runner_info[name]!;
    }
  }
  const copy = emptyObject();
  for (const name of Object.keys(payload)) copy[name] = name === 'runner_info' ? runnerInfo : payload[name]!;
  return canonicalJson(copy);
}

/**
 * The same bytes with a lower `runner_info.timeout` (seconds, never below 60 and never above what it is): a textual edit,
 * checked by reading both again. The same array when there is nothing to lower. Throws `internal` when the check fails.
 */
export function lowerTimeout(bytes: Uint8Array, timeoutS: number): Uint8Array {
  const before = readStrictJson(bytes, PAYLOAD);
  if (!before.ok) throw new HoldpointError('payload_refused', `the payload cannot be read again: ${before.reason}`);
  let literal = '';
  let start = -1;
  walkJsonText(before.text, {
    number: (path, found, at) => {
      if (path.length === 2 && path[0] === 'runner_info' && path[1] === 'timeout') [literal, start] = [found, at];
    },
  });
  const wanted = Math.max(MIN_TIMEOUT_S, Math.floor(timeoutS));
  if (start === -1 || !(wanted < Number(literal))) return bytes;
  const edited = `${before.text.slice(0, start)}${wanted}${before.text.slice(start + literal.length)}`;
  const changed = new TextEncoder().encode(edited);
  const after = readStrictJson(changed, PAYLOAD);
  const isRight =
    after.ok &&
    isJsonObject(after.value.runner_info) &&
    after.value.runner_info.timeout === wanted &&
    besidesTimeout(after.value) === besidesTimeout(before.value);
  if (!isRight)
    throw new HoldpointError('internal', 'lowering the time-out changed more of the payload than the time-out');
  return changed;
}
