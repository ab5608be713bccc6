import { join } from 'node:path';

/** Files with secrets of a configuration that says nothing of keys and has its tokens in itself. */
export const expectedSecrets = (folder: string) => [
  ...['variable', 'hub', 'recordings', 'seal'].map((key) => ({
    path: join(folder, `state/${key}.key`),
    what: `keys.${key}`,
  })),
  { path: join(folder, 'agent.yml'), what: 'configuration with tokens' },
];
