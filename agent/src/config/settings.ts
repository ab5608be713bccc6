import { filePath } from './credential.ts';
import type { FileKind } from './file-kinds.ts';
import { instanceDefaults } from './instance.ts';
import { type ListenAddress, readKind } from './kinds.ts';
import { type ConfigOption, OPTIONS } from './options.ts';
import type { ConfigProblem } from './problems.ts';
import { shapeProblems } from './shape.ts';
import { type ConfigSources, openConfigFile, type Setting, settingOf, unknownVariables } from './sources.ts';
import type { YamlFile } from './yaml-file.ts';

/** Everything that flags, environment and one file say, by key, with its defaults. */
export interface Settings {
  readonly file: string | null;
  readonly env: ConfigSources['env'];
  readonly yaml: YamlFile;
  /** What somebody has set. */
  readonly settings: ReadonlyMap<string, Setting>;
  /** Gathered while reading on; nothing is used while there is one. */
  readonly problems: ConfigProblem[];
  /** A value or its default, in which `{key}` is filled in. */
  readonly text: (key: string, filled?: Readonly<Record<string, string>>) => string;
  readonly number: (key: string) => number;
  readonly listen: (key: string) => ListenAddress;
  /** Absolute. */
  readonly path: (key: string, filled?: Readonly<Record<string, string>>) => string;
  /** A key is not called missing where its value, or the whole file, has been refused already. */
  readonly wasBlamed: (key: string) => boolean;
  /** Refuses a key that nobody has set; `more` is another way out. */
  readonly missing: (key: string, more?: string) => void;
}

/** Reads flags, environment and one kind of file; what is wrong is in `problems`. */
export function readSettings(sources: ConfigSources, kind: FileKind): Settings {
  // hub.yml writes some defaults in its own words; what they are stands in the table of all, and all that is its own is state_dir.
  const table = kind.ownTable ? kind.options : [...kind.options.filter(({ key }) => key === 'state_dir'), ...OPTIONS];
  const optionOf = (key: string): ConfigOption => table.find((option) => option.key === key)!;
  const problems: ConfigProblem[] = [];
  const { file, yaml } = openConfigFile(sources, kind, problems);
  const instance = instanceDefaults(kind, file);
  const defaultOf = (key: string): string => instance[key] ?? optionOf(key).default ?? '';
  problems.push(...yaml.problems);
  // A value that YAML itself made unreadable is blamed once.
  const blamed = new Set(yaml.problems.map((problem) => problem.where));
  if (yaml.tree !== null) problems.push(...shapeProblems(yaml, kind).filter((problem) => !blamed.has(problem.where)));
  problems.push(...unknownVariables(sources.env, kind));

  const settings = new Map<string, Setting>();
  const wasBlamed = (key: string): boolean =>
    problems.some((problem) => problem.path === key || problem.message.startsWith('not YAML'));
  const missing = (key: string, more?: string): void => {
    const { help, flag, env } = kind.options.find((option) => option.key === key)!;
    const ways = `set it in ${kind.name}, with ${flag} or with ${env}${more === undefined ? '' : `, ${more}`}`;
    problems.push({ where: file ?? kind.defaultFile, path: key, message: `missing: ${help}; ${ways}` });
  };
  for (const option of kind.options) {
    const before = problems.length;
    const setting = settingOf(option, sources, file, yaml, problems);
    if (setting) settings.set(option.key, setting);
    else if (option.required && problems.length === before && !wasBlamed(option.written)) missing(option.key);
  }

  const filled = (text: string, keys: Readonly<Record<string, string>>) =>
    text.replace(/\{([a-z_.]+)\}/g, (_, key: string) => keys[key] ?? '');
  const text = (key: string, keys: Readonly<Record<string, string>> = {}): string => {
    const found = settings.get(key)?.value;
    return typeof found === 'string' ? found : filled(defaultOf(key), keys);
  };
  return {
    file,
    env: sources.env,
    yaml,
    settings,
    problems,
    text,
    wasBlamed,
    missing,
    number(key) {
      const option = optionOf(key);
      const reading = readKind(option, option.kind === 'integer' ? Number(option.default) : defaultOf(key), true);
      const found = settings.get(key)?.value ?? (reading.ok ? reading.value : Number.NaN);
      return typeof found === 'number' ? found : Number.NaN;
    },
    listen(key) {
      const found = settings.get(key)?.value;
      if (typeof found === 'object') return found;
      const colon = defaultOf(key).lastIndexOf(':');
      return { host: defaultOf(key).slice(0, colon), port: Number(defaultOf(key).slice(colon + 1)) };
    },
    path(key, keys = {}) {
      const value = text(key, keys).replace(/^sqlite:/, '');
      return filePath(value, settings.get(key)?.folder ?? sources.cwd, sources.env);
    },
  };
}
