import type { JsonList, JsonObject } from './json.ts';

/** A variable as a YAML file says it. */
export interface DeclaredVariable {
  readonly key: string;
  /** As it is written: `registry/app:$CI_COMMIT_SHA`. */
  readonly value: string;
  /** True: nothing in it is expanded. */
  readonly raw: boolean;
}

/** A job as its YAML says it, its parts in the shape that a Configuration has; what the YAML leaves out is null or empty. */
export interface DeclaredJob {
  readonly name: string;
  readonly stage: string | null;
  /** As it is written, and may name variables. */
  readonly environment: { readonly name: string; readonly url: string | null; readonly action: string | null } | null;
  readonly tags: readonly string[];
  /** What comes before the script and the script itself, in one; null for a job that has none, as one with `run`. */
  readonly script: readonly string[] | null;
  readonly afterScript: readonly string[];
  readonly image: JsonObject | null;
  readonly services: JsonList;
  readonly artifacts: JsonList;
  /** Keys of caches without the ending that the CI server adds. */
  readonly cache: JsonList;
  readonly hooks: JsonList;
  readonly variables: readonly DeclaredVariable[];
}
