import type { JsonObject } from './json.ts';

export const SECTIONS = ['script', 'image', 'services', 'variables', 'artifacts', 'cache', 'secrets', 'rest'] as const;
export type Section = (typeof SECTIONS)[number];

/** One difference between two Configurations, as data and in words. */
export interface Change {
  readonly section: Section;
  /** Where, e.g. `steps[0].script[2]`, `variables.IMAGE.value`, `image.name`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Text before and after, null where there is none; HMACs as tags `hmac:1f0c…`, segments as `registry/app:${CI_COMMIT_SHA}`. */
  readonly before: string | null;
  readonly after: string | null;
  /** One plain sentence. */
  readonly words: string;
}

/** Differences from `before` (null: there is none yet) to `after`, ordered by section; scripts line by line. */
export function diffConfigurations(_before: JsonObject | null, _after: JsonObject): readonly Change[] {
  throw new Error('being written');
}

/** One sentence over a whole diff: "1 script line added, image changed; 57 leaves unchanged." */
export function summarizeChanges(_changes: readonly Change[], _before: JsonObject | null, _after: JsonObject): string {
  throw new Error('being written');
}
