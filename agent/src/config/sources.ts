import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { suggest } from '../domain/suggest.ts';
import type { FileKind } from './file-kinds.ts';
import { type ListenAddress, readKind } from './kinds.ts';
import { CLIENT_ENV, type ConfigOption, OPTIONS } from './options.ts';
import type { ConfigProblem } from './problems.ts';
import type { readSecretFile } from './secret-file.ts';
import { scalarAt } from './shape.ts';
import { systemErrorWords } from './system-error.ts';
import { MAX_CONFIG_BYTES, readYaml, type YamlFile } from './yaml-file.ts';

/** Where settings come from; the file's place is the flag `config`, HOLDPOINT_CONFIG or the default. */
export interface ConfigSources {
  /** Values of flags by option key, plus `config`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths of flags and variables start from; those of the file start from its own folder. */
  readonly cwd: string;
  /** How files with secrets are read; default {@link readSecretFile}. Another in `doctor` alone, which looks at what it may not use. */
  readonly readSecret?: typeof readSecretFile;
  /** Folders of credentials where systemd has given this process none; default: those of the kind of file, as our unit has them. */
  readonly credentials?: readonly string[];
  /** Read when neither flag nor variable names a file; default: that of the kind of file. */
  readonly defaultFile?: string;
}

/** A setting with where it came from and the folder that its relative path starts from. */
export interface Setting {
  readonly value: string | number | ListenAddress;
  readonly where: string;
  readonly folder: string;
}

/** What Kubernetes and Docker add for a service that is called holdpoint: no setting of ours, and no mistake. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT)(_|$)|^HOLDPOINT_PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?$/;

/** The configuration file, read; what is wrong with it as a whole goes to `problems`. */
export function openConfigFile(
  sources: ConfigSources,
  kind: FileKind,
  problems: ConfigProblem[],
): { file: string | null; yaml: YamlFile } {
  const empty = readYaml('', kind.name);
  const named = sources.flags.config ?? (sources.env.HOLDPOINT_CONFIG || undefined);
  const file = resolve(sources.cwd, named ?? sources.defaultFile ?? kind.defaultFile);
  const refuse = (message: string) => {
    problems.push({ where: file, path: '', message });
    return { file, yaml: empty };
  };
  try {
    if (statSync(file).size > MAX_CONFIG_BYTES) return refuse(`larger than ${MAX_CONFIG_BYTES} bytes: no ${kind.name}`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
    return { file, yaml: readYaml(text, basename(file)) };
  } catch (error) {
    // Without being told of a file, flags and variables may be all there is.
    if (named === undefined && (error as { code?: unknown }).code === 'ENOENT') return { file: null, yaml: empty };
    if (error instanceof TypeError) return refuse('not UTF-8; save it as UTF-8');
    return refuse(`cannot read it: ${systemErrorWords(error)}; give its place with --config`);
  }
}

/** Variables that begin with HOLDPOINT_ and mean nothing: typing mistakes that would go unnoticed. */
export function unknownVariables(env: ConfigSources['env'], kind: FileKind): ConfigProblem[] {
  const known = [...[...OPTIONS, ...kind.options].map((option) => option.env), ...CLIENT_ENV];
  return Object.keys(env)
    .filter((name) => name.startsWith('HOLDPOINT_') && !known.includes(name) && !SERVICE_LINK.test(name))
    .map((name) => {
      const near = suggest(name, known);
      return { where: name, path: '', message: `unknown variable${near ? `; did you mean ${near}?` : ''}` };
    });
}

/** The value of one option: flag before environment before file. Defaults come later, since they need other values. */
export function settingOf(
  option: ConfigOption,
  sources: ConfigSources,
  file: string | null,
  yaml: YamlFile,
  problems: ConfigProblem[],
): Setting | null {
  const given = [
    { where: option.flag, text: sources.flags[option.key] },
    { where: option.env, text: sources.env[option.env] || undefined },
  ].find((source) => source.text !== undefined);
  if (given?.text !== undefined) {
    const reading = readKind(option, given.text, false);
    if (reading.ok) return { value: reading.value, where: given.where, folder: sources.cwd };
    problems.push({ where: given.where, path: option.key, message: reading.message });
    return null;
  }
  const inFile = [option.written, ...(option.also === null ? [] : [option.also])].filter(
    (path) => scalarAt(yaml.tree, path) !== undefined,
  );
  const [path, twin] = inFile;
  if (path === undefined) return null;
  if (twin !== undefined) {
    const message = `means the same as "${path}", which stands there too; keep one`;
    problems.push({ where: yaml.keyAt(twin.split('.')), path: twin, message });
    return null;
  }
  const value = scalarAt(yaml.tree, path)!;
  const reading = readKind(option, value, true);
  // What is wrong with the file itself has been said by its shape.
  if (!reading.ok) return null;
  const folder = file === null ? sources.cwd : dirname(file);
  return { value: reading.value, where: yaml.valueAt(path.split('.')), folder };
}
