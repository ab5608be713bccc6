import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';

/** A piece of a text that the runner expands: fixed words, or a value that only the runner's own host knows. */
type Piece = { readonly text: string } | 'any';

/** `$NAME` and `${NAME}` as Go's os.Expand reads them; every other construct with a dollar is left to the host. */
const REFERENCE = /\$(?:\{([^}]*)\}|([A-Za-z0-9_]+)|([*#$@!?-]))/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Set by the runner after the job's own variables, or resolved by it: the payload's value is not the last word. */
const RUNNERS_OWN =
  /^(CI_SHARED_ENVIRONMENT|CI_DISPOSABLE_ENVIRONMENT|CI_RUNNER_VERSION|CI_RUNNER_REVISION|CI_RUNNER_EXECUTABLE_ARCH|RUNNER_TEMP_PROJECT_DIR|FF_.+)$/;
/** An expression of which the value is known here: one input by its name. */
const EXPRESSION = /\$\{\{(.*?)\}\}/gs;
const INPUT = /^\s*job\.inputs\.([A-Za-z_][A-Za-z0-9_]*)\s*$/;

/** What the runner replaces in texts of one job: variables, and inputs. */
export interface Expansion {
  /** True when the runner can have made `found` of `text` by replacing variables. */
  matches(text: string, found: string): boolean;
  /** The text with its variables replaced; null where one of them is the host's own. */
  expanded(text: string): string | null;
  /** The text with its inputs replaced; itself where the job has none, null where that cannot be worked out here. */
  interpolated(text: string): string | null;
}

interface Known {
  readonly value: string;
  readonly raw: boolean;
}

function knownVariables(payload: JsonObject): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  for (const each of isJsonList(payload.variables) ? payload.variables : []) {
    if (!isJsonObject(each)) continue;
    const name = String(each.key ?? '');
    // Later ones win; a file's path is the host's.
    if (each.file === true) known.delete(name);
    else known.set(name, { value: String(each.value ?? ''), raw: each.raw === true });
  }
  const secrets = isJsonObject(payload.secrets) ? Object.keys(payload.secrets) : [];
  for (const name of [...known.keys()]) if (RUNNERS_OWN.test(name) || secrets.includes(name)) known.delete(name);
  return known;
}

function inputValues(payload: JsonObject): ReadonlyMap<string, string | null> {
  const values = new Map<string, string | null>();
  for (const each of isJsonList(payload.inputs) ? payload.inputs : []) {
    if (!isJsonObject(each) || !isJsonObject(each.value)) continue;
    const { content = null, sensitive = false } = each.value;
    const plain = typeof content === 'string' || typeof content === 'boolean' || Number.isSafeInteger(content);
    const key = String(each.key ?? '');
    if (!values.has(key)) values.set(key, plain && sensitive !== true ? String(content) : null);
  }
  return values;
}

/** True for a text that has the fixed pieces in their order, the first at its start and the last at its end. */
function fits(pieces: readonly Piece[], found: string): boolean {
  let at = 0;
  let free = false;
  for (const [index, piece] of pieces.entries()) {
    if (piece === 'any') {
      free = true;
      continue;
    }
    const isLast = index === pieces.length - 1;
    if (free && isLast) return found.length - piece.text.length >= at && found.endsWith(piece.text);
    const where = free ? found.indexOf(piece.text, at) : found.startsWith(piece.text, at) ? at : -1;
    if (where === -1) return false;
    at = where + piece.text.length;
    free = false;
  }
  return free || at === found.length;
}

/** How gitlab-runner expands texts of this payload, as far as can be known without its host. */
export function expansionOf(payload: JsonObject): Expansion {
  const known = knownVariables(payload);
  const inputs = inputValues(payload);
  // The runner expands the values of variables once, with the values as they came, and texts with the outcome.
  const pieces = (text: string, depth: number): Piece[] => {
    const found: Piece[] = [];
    let at = 0;
    for (const match of text.matchAll(REFERENCE)) {
      found.push({ text: text.slice(at, match.index) });
      at = match.index + match[0].length;
      const name = match[1] ?? match[2] ?? '';
      const variable = NAME.test(name) ? known.get(name) : undefined;
      if (variable === undefined) found.push('any');
      else if (depth > 0 || variable.raw || !variable.value.includes('$')) found.push({ text: variable.value });
      else found.push(...pieces(variable.value, depth + 1));
    }
    found.push({ text: text.slice(at) });
    return found;
  };
  return {
    matches: (text, found) => text === found || (text.includes('$') && fits(pieces(text, 0), found)),
    expanded(text) {
      const found = pieces(text, 0);
      return found.every((piece) => piece !== 'any') ? found.map((piece) => piece.text).join('') : null;
    },
    interpolated(text) {
      if (inputs.size === 0 || !text.includes('${{')) return text;
      let unknown = false;
      const done = text.replace(EXPRESSION, (_, expression: string) => {
        const value = inputs.get(INPUT.exec(expression)?.[1] ?? '') ?? null;
        unknown ||= value === null;
        return value ?? '';
      });
      return unknown || done.includes('${{') ? null : done;
    },
  };
}

/** What the runner makes of an AWS secret without a session name; it keeps 64 characters of one. */
export const AWS_SESSION_NAME = '${CI_JOB_ID}-${CI_PROJECT_ID}-${CI_SERVER_HOST}';
export const AWS_SESSION_CHARS = 64;

/** The leaves of a value that are text. */
export const isText = (value: Json | undefined): value is string => typeof value === 'string';
