import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ReachLook } from '../domain/doctor/observation.ts';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import { NotSent } from '../ports/notifier.ts';
import { reachEmail } from './email.ts';

const CONNECT_MS = 5_000;

/** A connection as a message would make it, closed before anything is asked. Rejects with the code of what failed. */
function connected(url: URL, ca: string | null): Promise<void> {
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const to = { host, port: Number(url.port || (isTls ? 443 : 80)), timeout: CONNECT_MS };
  return new Promise((resolve, reject) => {
    const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const socket = isTls ? connectTls({ ...to, ...servername, ...(ca === null ? {} : { ca }) }) : connectPlain(to);
    socket.on(isTls ? 'secureConnect' : 'connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'no answer' })));
    socket.on('error', reject);
  });
}

async function reach(config: ChannelConfig, secretOf: (path: string) => string | null): Promise<void> {
  const ca = 'ca' in config && config.ca !== null ? readFileSync(config.ca, 'utf8') : null;
  switch (config.kind) {
    case 'webhook':
      return connected(new URL(config.url), ca);
    case 'slack':
    case 'mattermost': {
      const url = secretOf(config.urlFile);
      if (url === null || !URL.canParse(url)) throw new NotSent('its address cannot be read', { again: true });
      return connected(new URL(url), ca);
    }
    case 'email': {
      const { passwordFile } = config;
      return reachEmail(config, ca, () => (passwordFile === null ? null : secretOf(passwordFile)));
    }
    case 'gitlab':
      // The same server and token as the notes of retried jobs; its token is looked at with the configuration.
      return;
    default:
      return config satisfies never;
  }
}

/** Whether what the channel leads to can be reached. Never names an address of a chat: it is a secret. */
export async function lookAtChannel(
  config: ChannelConfig,
  secretOf: (path: string) => string | null,
): Promise<ReachLook> {
  try {
    await reach(config, secretOf);
    return { name: config.name, problem: null };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no answer';
    return { name: config.name, problem: error instanceof NotSent ? error.message : `cannot be reached (${code})` };
  }
}
