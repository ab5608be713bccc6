import { isJsonList, isJsonObject, type Json } from '../../domain/json.ts';

/** What a value says as one text: a string as it is, anything else as JSON. */
export function plainText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Cut to so many UTF-16 units, never inside a character. */
export function clip(text: string, units: number): string {
  if (text.length <= units) return text;
  const cut = text.slice(0, units - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/** Visits the leaves of a value: texts, numbers, booleans, null, empty lists and objects; `path` is valid during the call. */
export function eachLeaf(
  value: Json,
  visit: (path: readonly (string | number)[], leaf: Json) => void,
  path: (string | number)[] = [],
): void {
  if (isJsonList(value) && value.length > 0) {
    value.forEach((element, index) => {
      path.push(index);
      eachLeaf(element, visit, path);
      path.pop();
    });
  } else if (isJsonObject(value) && Object.keys(value).length > 0) {
    for (const name of Object.keys(value)) {
      path.push(name);
      eachLeaf(value[name]!, visit, path);
      path.pop();
    }
  } else visit(path, value);
}
