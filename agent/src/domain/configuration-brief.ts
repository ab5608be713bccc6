import { hideTags } from './hidden-values.ts';
import { imageNames } from './image-names.ts';
import { isJsonList, isJsonObject, type JsonObject } from './json.ts';
import { readable } from './segments.ts';

/** What a Configuration is, in so few words that it can be told from others in a list; no values of variables (T32). */
export interface Brief {
  readonly image: string | null;
  readonly services: readonly string[];
  readonly scriptLines: number;
  /** The first line of its script that is not blank. */
  readonly firstLine: string | null;
}

/** A name or a line that is longer is cut: a list is no place to read all of it. */
const MAX_TEXT = 200;
/** More services than that are told nothing of: a list that long is looked at on its own page. */
const MAX_SERVICES = 5;

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= MAX_TEXT ? text : `${characters.slice(0, MAX_TEXT).join('')}…`;
}

/** The brief of a Configuration; tags of hidden values are taken out for everybody, since a list asks nobody's rules. */
export function briefOf(configuration: JsonObject): Brief {
  const shown = hideTags(configuration);
  const names = imageNames(shown);
  const steps = isJsonList(shown.steps) ? shown.steps : [];
  const script = steps.flatMap((step) => (isJsonObject(step) && isJsonList(step.script) ? step.script : []));
  const first = script.flatMap((line) => readable(line).split('\n')).find((line) => line.trim() !== '');
  const named = (role: 'image' | 'services') => names.filter((one) => one.role === role).map(({ name }) => cut(name));
  return {
    image: named('image')[0] ?? null,
    services: named('services').slice(0, MAX_SERVICES),
    scriptLines: script.length,
    firstLine: first === undefined ? null : cut(first),
  };
}
