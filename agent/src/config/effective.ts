import { dirname } from 'node:path';
import { filePath } from './credential.ts';
import type { FileKind } from './file-kinds.ts';
import { instanceDefaults } from './instance.ts';
import type { ConfigProblem } from './problems.ts';
import { loadRunners } from './runners.ts';
import { readSecretFile } from './secret-file.ts';
import { readSettings } from './settings.ts';
import { runnerEntries } from './shape.ts';
import type { ConfigSources } from './sources.ts';
import { withUnitCredentials } from './unit-credentials.ts';

/** A configuration as it may be shown: every option with where it comes from, nothing secret in it. */
export interface EffectiveConfig {
  readonly file: string | null;
  readonly options: readonly { readonly key: string; readonly value: unknown; readonly from: string }[];
  readonly runners: readonly {
    readonly name: string;
    readonly protected: boolean;
    readonly mode: string;
    /** Where its tokens are, never what they are. */
    readonly token: 'file' | 'inline' | 'none';
    readonly gatewayToken: 'file' | 'inline' | 'none';
  }[];
  readonly problems: readonly ConfigProblem[];
  /** Every secret that was read on the way: to be taken out of whatever else is shown. */
  readonly secrets: readonly string[];
}

/** Reads flags, environment and file as the process would that has this kind; what is wrong is told and not thrown. */
export function effectiveConfig(given: ConfigSources, kind: FileKind): EffectiveConfig {
  const sources = withUnitCredentials(given, kind);
  const { file, yaml, settings, problems } = readSettings(sources, kind);
  const instance = instanceDefaults(kind, file);
  const found: string[] = [];
  const options = kind.options.map((option) => {
    const setting = settings.get(option.key);
    if (setting === undefined)
      return { key: option.key, value: instance[option.key] ?? option.default, from: 'default' };
    if (option.key.endsWith('_file')) {
      // A path may be shown; what lies there may stand in a log all the same.
      const reading = readSecretFile(filePath(String(setting.value), setting.folder, sources.env), option.key);
      if (reading.ok) found.push(reading.value);
    }
    const value = withoutPassword(setting.value, found);
    return { key: option.key, value: option.secret ? '[redacted]' : value, from: setting.where };
  });
  const { runners } = kind.runners
    ? loadRunners(yaml, file === null ? sources.cwd : dirname(file), sources.env, problems)
    : { runners: [] };
  const placeOf = (inline: unknown, path: unknown) =>
    path !== undefined ? ('file' as const) : inline !== undefined ? ('inline' as const) : ('none' as const);
  return {
    file,
    options,
    runners: (kind.runners ? runnerEntries(yaml.tree) : []).map(({ entry }) => ({
      name: entry.name,
      protected: entry.protected,
      mode: entry.mode ?? 'enforce',
      token: placeOf(entry.token, entry.token_file),
      gatewayToken: placeOf(entry.gateway_token, entry.gateway_token_file),
    })),
    problems,
    secrets: [
      ...found,
      ...runners.flatMap(({ token, gatewayToken }) => [token, ...(gatewayToken === undefined ? [] : [gatewayToken])]),
    ],
  };
}

/** An address of a database may have a password in it: it is shown without, and noted. */
function withoutPassword(value: unknown, secrets: string[]): unknown {
  if (typeof value !== 'string' || !value.includes('://') || !URL.canParse(value)) return value;
  const url = new URL(value);
  if (url.password === '') return value;
  secrets.push(url.password, decodeURIComponent(url.password));
  url.password = 'redacted';
  return url.href;
}
