/** What `init` needs of the parts that a command may not import. */
import type { SetupParts } from './cli/parts.ts';
import { editRunners, readRunners } from './runners/gitlab/config-toml.ts';
import { createFile, openFolder, replaceFile, userNamed } from './system/setup-files.ts';

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** Files of others, read and written. */
export const setupParts: SetupParts = {
  get isRoot() {
    return process.getuid?.() === 0;
  },
  readRunners: (content, name) =>
    readRunners(content, name).map(({ index, value }) => ({
      index,
      name: text(value.name) ?? `runner ${index + 1}`,
      url: text(value.url),
      cloneUrl: text(value.clone_url),
      token: text(value.token),
      executor: text(value.executor),
    })),
  editRunners,
  userNamed,
  openFolder,
  createFile,
  replaceFile,
};
