import { readFileSync } from 'node:fs';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import type { Clock } from '../ports/clock.ts';
import type { Channel } from '../ports/notifier.ts';
import { openChat } from './chat.ts';
import { openEmail } from './email.ts';
import { openWebhook } from './webhook.ts';

/** Opens the channels of the configuration but GitLab's, which is the hub's own. `secretOf` reads a file at each use. */
export function openChannels(
  configs: readonly ChannelConfig[],
  secretOf: (path: string) => () => string | null,
  clock: Clock,
  callMs?: number,
): readonly Channel[] {
  return configs.flatMap((config): readonly Channel[] => {
    switch (config.kind) {
      case 'webhook':
        return [openWebhook(config, caOf(config.ca), secretOf(config.secretFile), clock, callMs)];
      case 'slack':
      case 'mattermost':
        return [openChat(config, caOf(config.ca), secretOf(config.urlFile), callMs)];
      case 'email': {
        const { passwordFile } = config;
        return [openEmail(config, caOf(config.ca), passwordFile === null ? () => null : secretOf(passwordFile))];
      }
      case 'gitlab':
        return [];
      default:
        return config satisfies never;
    }
  });
}

const caOf = (path: string | null): string | null => (path === null ? null : readFileSync(path, 'utf8'));
