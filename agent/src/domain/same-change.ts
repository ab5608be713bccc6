import { canonicalJson } from './canonical-json.ts';
import { diffValues } from './configuration-diff.ts';
import { digestOfText } from './digest.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** Whose configuration it is: what may differ between jobs that were changed alike. */
export interface ChangedJob {
  readonly projectId: number;
  readonly projectPath: string | null;
  readonly job: string;
}
/** A value that is the job's own, and was taken out of its difference. */
export interface Own {
  readonly what: 'project_path' | 'project_slug' | 'project_id' | 'job';
  readonly value: string;
}
/** What changed, apart from what is the job's own. */
export interface SameChange {
  /** Digest of the difference with the job's own values taken out: equal for equal changes. */
  readonly key: string;
  /** What was taken out and does stand in the difference: whoever answers many at once sees how they differ. */
  readonly own: readonly Own[];
}

/** A name with anything that a shell treats specially stays where it is: a script must not hide behind the name of its job (T33). */
const PLAIN_JOB = /^[A-Za-z0-9][A-Za-z0-9 _.:/-]{2,}$/;
const WORD = /[0-9A-Za-z_]/;
const NAME = /[0-9A-Za-z_.-]/;

function ownValues({ projectId, projectPath, job }: ChangedJob): readonly Own[] {
  const path = projectPath === null || !projectPath.includes('/') ? null : projectPath;
  const slug = path
    ?.toLowerCase()
    .replace(/[^0-9a-z]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return [
    ...(path === null ? [] : [{ what: 'project_path' as const, value: path }]),
    ...(slug === undefined || slug === path ? [] : [{ what: 'project_slug' as const, value: slug }]),
    ...(PLAIN_JOB.test(job) ? [{ what: 'job' as const, value: job }] : []),
    ...(projectId > 99 ? [{ what: 'project_id' as const, value: String(projectId) }] : []),
  ];
}

/** Whether an own value stands here whole: `acme/web` is not meant by `acme/web-2` nor by `acme/web.evil`, but by `acme/web.git`. */
function standsWhole({ what, value }: Own, text: string, at: number): boolean {
  const before = text[at - 1] ?? ' ';
  const rest = text.slice(at + value.length);
  const after = rest[0] ?? ' ';
  if (what === 'project_path')
    return !NAME.test(before) && (!NAME.test(after) || /^\.git(?![0-9A-Za-z_.-])/.test(rest));
  if (what === 'project_id') return !WORD.test(before) && !WORD.test(after);
  return !WORD.test(before) && before !== '-' && !WORD.test(after) && after !== '-';
}

/** The text as a list in which each own value is its name alone; a list and no marks, so that no text looks like one of them. */
function takenOut(text: string, own: readonly Own[], met: Set<Own>): Json {
  const parts: Json[] = [];
  let plain = '';
  for (let at = 0; at < text.length; ) {
    const found = own.find((one) => text.startsWith(one.value, at) && standsWhole(one, text, at));
    if (found === undefined) {
      plain += text[at];
      at += 1;
      continue;
    }
    met.add(found);
    parts.push(plain, { own: found.what });
    plain = '';
    at += found.value.length;
  }
  return [...parts, plain];
}

function normalized(value: Json | undefined, own: readonly Own[], met: Set<Own>): Json {
  if (value === undefined) return { absent: true };
  if (typeof value === 'string') return { text: takenOut(value, own, met) };
  if (isJsonList(value)) return { list: value.map((element) => normalized(element, own, met)) };
  if (isJsonObject(value)) {
    return {
      object: Object.keys(value)
        .sort()
        .map((name) => [name, normalized(value[name], own, met)]),
    };
  }
  return { value };
}

/**
 * What changed against the nearest approved configuration (null: none), apart from project id, paths and job name. It rests on
 * the values themselves and not on their texts, which are cut where they are long (T33, T51).
 */
export function sameChange(baseline: JsonObject | null, configuration: JsonObject, about: ChangedJob): SameChange {
  const own = ownValues(about);
  const met = new Set<Own>();
  const changes = diffValues(baseline, configuration).map(({ path, kind, was, is }) => ({
    path,
    kind,
    was: normalized(was, own, met),
    is: normalized(is, own, met),
  }));
  const key = digestOfText(canonicalJson({ form: 'holdpoint.change/v1', first: baseline === null, changes }));
  return { key, own: own.filter((one) => met.has(one)) };
}
