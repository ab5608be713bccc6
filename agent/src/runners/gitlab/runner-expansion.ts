import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';

/** Why the value of a name is not told: nobody has set it, it is the host's own to set, or nobody may see it. */
type Unknown = 'unset' | 'host' | 'hidden';

/** A piece of a text that the runner expands: fixed words, or a value that is not known here. */
type Piece = { readonly text: string } | { readonly unknown: Unknown; readonly dollar?: boolean };

/**
 * `$NAME`, `${NAME}` and `$$` as Go's os.Expand reads them; every other construct with a dollar is left to the host. No name is longer than
 * what is looked through for its end (T30).
 */
const REFERENCE = /\$(?:\{([^}]{0,256})\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?0-9-]))/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Set by the runner after the job's own variables, or resolved by it: the payload's value is not the last word. */
const RUNNERS_OWN =
  /^(CI_SHARED_ENVIRONMENT|CI_DISPOSABLE_ENVIRONMENT|CI_RUNNER_VERSION|CI_RUNNER_REVISION|CI_RUNNER_EXECUTABLE_ARCH|RUNNER_TEMP_PROJECT_DIR|FF_.+)$/;
/** What the runner puts before the variables of the payload, which win: where the host keeps things, and what it says of the job. */
const HOSTS_OWN =
  /^(CI_PROJECT_DIR|CI_BUILDS_DIR|CI_CONCURRENT_ID|CI_CONCURRENT_PROJECT_ID|CI_SERVER|CI_JOB_(IMAGE|STATUS|TIMEOUT)|CI_SERVER_TLS_(CA|CERT|KEY)_FILE)$/;
/**
 * All texts of one payload together: whoever writes a job can name a value that names another as often as there is room for, and a
 * few kilobytes would become gigabytes (T30).
 */
const MAX_PIECES = 50_000;
const MAX_CHARACTERS = 4 * 1024 * 1024;
/** An expression of which the value is known here: one input by its name. */
const INPUT = /^\s*job\.inputs\.([A-Za-z_][A-Za-z0-9_]*)\s*$/;

/** What the runner replaces in texts of one job: variables, and inputs. */
export interface Expansion {
  /** True when the runner can have made `found` of `text` by replacing variables. */
  matches(text: string, found: string): boolean;
  /** The text with its variables replaced; null where one of them is the host's own. */
  expanded(text: string): string | null;
  /**
   * The text as it is used, with inputs and variables replaced; what nobody has set is empty, as for the runner, unless its
   * host sets it. Else why it cannot be told.
   */
  filled(text: string): Filled;
  /** The text with its inputs replaced; itself where the job has none, null where that cannot be worked out here. */
  interpolated(text: string): string | null;
}

/** A text as it is used, or why nobody here can tell. */
export type Filled = { readonly text: string } | { readonly why: 'host' | 'hidden' | 'input' | 'long' };

/** More than is looked at. */
class TooLong extends Error {}

/** A name that no payload has and every host sets to something of its own. */
const ofHost = (name: string): Unknown => (RUNNERS_OWN.test(name) || HOSTS_OWN.test(name) ? 'host' : 'unset');

interface Known {
  readonly value: string;
  readonly raw: boolean;
}

function knownVariables(
  payload: JsonObject,
  isHidden: (name: string) => boolean,
): ReadonlyMap<string, Known | Unknown> {
  const known = new Map<string, Known | Unknown>();
  for (const each of isJsonList(payload.variables) ? payload.variables : []) {
    if (!isJsonObject(each)) continue;
    const name = String(each.key ?? '');
    // Later ones win; a file's path is the host's.
    if (each.file === true) known.set(name, 'host');
    else known.set(name, { value: String(each.value ?? ''), raw: each.raw === true });
  }
  const secrets = isJsonObject(payload.secrets) ? Object.keys(payload.secrets) : [];
  for (const name of secrets) known.set(name, 'host');
  for (const name of [...known.keys()])
    if (RUNNERS_OWN.test(name)) known.set(name, 'host');
    else if (isHidden(name)) known.set(name, 'hidden');
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
    if ('unknown' in piece) {
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

/**
 * How gitlab-runner expands texts of this payload, as far as can be known without its host; `isHidden` says whose value must
 * not come out. The one place for it: what is approved, what is compared and what is run must read a name alike (T39).
 */
export function expansionOf(payload: JsonObject, isHidden: (name: string) => boolean = () => false): Expansion {
  const known = knownVariables(payload, isHidden);
  const inputs = inputValues(payload);
  let [piecesLeft, charactersLeft] = [MAX_PIECES, MAX_CHARACTERS];
  const take = (characters: number): void => {
    charactersLeft -= characters;
    if (--piecesLeft < 0 || charactersLeft < 0) throw new TooLong();
  };
  const within = <T>(work: () => T, otherwise: T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof TooLong) return otherwise;
      throw error;
    }
  };
  // The runner expands the values of variables once, with the values as they came, and texts with the outcome.
  const pieces = (text: string, depth: number): Piece[] => {
    take(text.length);
    const found: Piece[] = [];
    let at = 0;
    for (const match of text.matchAll(REFERENCE)) {
      found.push({ text: text.slice(at, match.index) });
      at = match.index + match[0].length;
      const name = match[1] ?? match[2] ?? '';
      const variable = NAME.test(name) ? (known.get(name) ?? ofHost(name)) : 'unset';
      take(typeof variable === 'string' ? 0 : variable.value.length);
      if (typeof variable === 'string')
        found.push({ unknown: variable, dollar: name === '' ? match[3] === '$' : name === '$' });
      else if (depth > 0 || variable.raw || !variable.value.includes('$')) found.push({ text: variable.value });
      else for (const piece of pieces(variable.value, depth + 1)) found.push(piece);
    }
    found.push({ text: text.slice(at) });
    return found;
  };
  const interpolated: Expansion['interpolated'] = (text) => {
    if (inputs.size === 0 || !text.includes('${{')) return text;
    let done = '';
    for (let at = 0; ; ) {
      const from = text.indexOf('${{', at);
      if (from === -1) {
        done += text.slice(at);
        return done.includes('${{') ? null : done;
      }
      const to = text.indexOf('}}', from);
      const value = to === -1 ? null : (inputs.get(INPUT.exec(text.slice(from + 3, to))?.[1] ?? '') ?? null);
      if (value === null) return null;
      take(value.length);
      done += text.slice(at, from) + value;
      at = to + 2;
    }
  };
  const filled: Expansion['filled'] = (text) => {
    const whole = interpolated(text);
    if (whole === null || whole.includes('${{')) return { why: 'input' };
    const found = pieces(whole, 0);
    const why = (kind: Unknown) => found.some((piece) => 'unknown' in piece && piece.unknown === kind);
    if (why('hidden')) return { why: 'hidden' };
    if (why('host')) return { why: 'host' };
    return { text: found.map((piece) => ('text' in piece ? piece.text : piece.dollar ? '$' : '')).join('') };
  };
  return {
    matches: (text, found) =>
      text === found || (text.includes('$') && within(() => fits(pieces(text, 0), found), false)),
    expanded: (text) =>
      within(() => {
        const found = pieces(text, 0);
        return found.every((piece) => 'text' in piece) ? found.map((piece) => piece.text).join('') : null;
      }, null),
    filled: (text) => within(() => filled(text), { why: 'long' }),
    interpolated: (text) => within(() => interpolated(text), null),
  };
}

/** What the runner makes of an AWS secret without a session name; it keeps 64 characters of one. */
export const AWS_SESSION_NAME = '${CI_JOB_ID}-${CI_PROJECT_ID}-${CI_SERVER_HOST}';
export const AWS_SESSION_CHARS = 64;

/** The leaves of a value that are text. */
export const isText = (value: Json | undefined): value is string => typeof value === 'string';
