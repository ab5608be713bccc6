import { isJsonObject, type JsonObject } from './json.ts';

/** True when the configuration brings a key that replaces image and checkout: only an approval of that very run lets it go. */
export function isRunOnly(configuration: JsonObject): boolean {
  const { suspend_options: options } = configuration;
  if (!isJsonObject(options)) return false;
  const key = options.runtime_environment_key;
  return key !== undefined && key !== null && key !== '';
}
