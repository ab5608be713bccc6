import { AGENT_FILE } from './file-kinds.ts';
import { instanceDefaults } from './instance.ts';
import { durationText } from './kinds.ts';
import type { ConfigOption } from './options.ts';
import type { ConfigProblem } from './problems.ts';
import { runnerEntries } from './shape.ts';
import { type ConfigSources, openConfigFile, settingOf } from './sources.ts';

/** One setting as it is in force. */
export interface SettingRow {
  readonly key: string;
  /** As it would be written; null: nothing is set, and there is no default. */
  readonly value: string | null;
  /** `default`, a flag, a variable, or file, line and column. */
  readonly source: string;
}

const NOT_SHOWN = '(not shown)';

function textOf(option: ConfigOption, value: unknown): string {
  if (option.secret) return NOT_SHOWN;
  if (typeof value === 'object' && value !== null && 'port' in value && 'host' in value) {
    const { host, port } = value as { host: string; port: number };
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  // A password in an address is refused by the loader, and shown to nobody who looks why.
  return String(value).replace(/(:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}

/** Every setting with where it comes from; never a secret. What is wrong with the file is for the loader to say. */
export function describeConfig(sources: ConfigSources): readonly SettingRow[] {
  const problems: ConfigProblem[] = [];
  const { file, yaml } = openConfigFile(sources, AGENT_FILE, problems);
  const instance = instanceDefaults(AGENT_FILE, file);
  const rows = AGENT_FILE.options.map((option): SettingRow => {
    const preset = instance[option.key] ?? option.default;
    const setting = settingOf(option, sources, file, yaml, problems);
    if (setting === null) return { key: option.key, value: preset, source: preset === null ? 'not set' : 'default' };
    const value =
      option.kind === 'duration' && typeof setting.value === 'number' ? durationText(setting.value) : setting.value;
    return { key: option.key, value: textOf(option, value), source: setting.where };
  });
  const runners = runnerEntries(yaml.tree).flatMap(({ index, entry }) =>
    Object.entries(entry).map(
      ([key, value]): SettingRow => ({
        key: `runners[${index}].${key}`,
        value: key === 'token' || key === 'gateway_token' ? NOT_SHOWN : String(value),
        source:
          key === 'protected' && !hasKey(yaml.tree, index, key) ? 'default' : yaml.valueAt(['runners', index, key]),
      }),
    ),
  );
  return [...rows, ...runners];
}

function hasKey(tree: unknown, index: number, key: string): boolean {
  const entry = (tree as { runners?: readonly unknown[] } | null)?.runners?.[index];
  return typeof entry === 'object' && entry !== null && key in entry;
}
