import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import { isAddress } from '../domain/notify/delivery.ts';
import { filePath } from './credential.ts';
import type { FileKind } from './file-kinds.ts';
import type { ConfigProblem } from './problems.ts';
import { quotablePath, readSecretFile } from './secret-file.ts';
import { systemErrorWords } from './system-error.ts';
import { pathText, type YamlFile } from './yaml-file.ts';

/** More channels than one policy speaks of. */
const MAX_CHANNELS = 100;

const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/.test(host);

const name = z
  .string({ error: (issue) => (issue.input === undefined ? 'missing: every channel has a name' : 'wanted text') })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'wanted up to 100 letters, digits, ".", "_" or "-"');
const file = z.string({ error: 'wanted the path of a file' }).min(1, 'wanted the path of a file');
const address = z.string().refine(isAddress, 'wanted a mail address like holdpoint@example.com');
/** Text about jobs crosses no network in clear, and no address carries a password. */
const url = z.string().refine((text) => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  const safe = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
  return safe && username === '' && password === '';
}, 'wanted an https:// address without user and password; http:// is taken on this machine only');

const channel = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ name, kind: z.literal('webhook'), url, secret_file: file, ca: file.optional() }),
    z.strictObject({ name, kind: z.literal('slack'), url_file: file, ca: file.optional() }),
    z.strictObject({ name, kind: z.literal('mattermost'), url_file: file, ca: file.optional() }),
    z.strictObject({
      name,
      kind: z.literal('email'),
      host: z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'wanted the name of a mail server'),
      port: z.number().int().min(1).max(65_535).optional(),
      security: z.enum(['starttls', 'tls', 'none'], { error: 'wanted starttls, tls or none' }).default('starttls'),
      from: address,
      username: z.string().min(1).max(255).optional(),
      password_file: file.optional(),
      ca: file.optional(),
    }),
    z.strictObject({ name, kind: z.literal('gitlab') }),
  ],
  { error: 'wanted kind: webhook, email, slack, mattermost or gitlab' },
);

/** The shape of `hub.notify`. */
export const notifySchema = z
  .array(channel)
  .max(MAX_CHANNELS, `more than ${MAX_CHANNELS} channels`)
  .superRefine((channels, context) => {
    for (const [i, one] of channels.entries()) {
      const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [i, key], message });
      if (channels.findIndex((other) => other.name === one.name) !== i) refuse('name', `${one.name} stands twice`);
      if (one.kind !== 'email') continue;
      if (one.security === 'none' && !isLoopback(one.host))
        refuse('security', 'none is taken on this machine only: mail would cross the network in clear');
      if ((one.username === undefined) !== (one.password_file === undefined))
        refuse('username', 'username and password_file stand together');
    }
  });

const PORTS = { starttls: 587, tls: 465, none: 25 } as const;

/** Channels of a file whose shape is good, their paths absolute; secrets that cannot be read go to `problems`. */
export function notifyChannels(
  file: YamlFile,
  kind: FileKind,
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
  readSecret: typeof readSecretFile = readSecretFile,
): readonly ChannelConfig[] {
  const tree = file.tree as { hub?: { notify?: unknown } | null; notify?: unknown } | null;
  const [list, base] = kind.name === 'agent.yml' ? [tree?.hub?.notify, ['hub', 'notify']] : [tree?.notify, ['notify']];
  const read = notifySchema.safeParse(list ?? []);
  if (!read.success) return [];
  return read.data.map((one, i): ChannelConfig => {
    const refuse = (key: string, message: string): void => {
      const path = [...base, i, key];
      problems.push({ where: file.valueAt(path), path: pathText(path), message });
    };
    const full = (path: string): string => filePath(path, folder, env);
    const secret = (key: string, path: string): string => {
      const reading = readSecret(full(path), path);
      if (!reading.ok) refuse(key, reading.message);
      return full(path);
    };
    const ca = (path: string | undefined): string | null => {
      if (path === undefined) return null;
      try {
        if (!readFileSync(full(path), 'utf8').includes('-----BEGIN CERTIFICATE-----'))
          refuse('ca', `${quotablePath(path)} has no PEM certificate in it`);
      } catch (error) {
        refuse('ca', `cannot read ${quotablePath(path)}: ${systemErrorWords(error)}`);
      }
      return full(path);
    };
    switch (one.kind) {
      case 'webhook':
        return {
          name: one.name,
          kind: one.kind,
          url: one.url,
          secretFile: secret('secret_file', one.secret_file),
          ca: ca(one.ca),
        };
      case 'slack':
      case 'mattermost':
        return { name: one.name, kind: one.kind, urlFile: secret('url_file', one.url_file), ca: ca(one.ca) };
      case 'email':
        return {
          name: one.name,
          kind: one.kind,
          host: one.host,
          port: one.port ?? PORTS[one.security],
          security: one.security,
          from: one.from,
          username: one.username ?? null,
          passwordFile: one.password_file === undefined ? null : secret('password_file', one.password_file),
          ca: ca(one.ca),
        };
      case 'gitlab':
        return { name: one.name, kind: one.kind };
      default:
        return one satisfies never;
    }
  });
}

/** Paths of the files that have a channel's secrets. */
export function secretsOf(channel: ChannelConfig): readonly string[] {
  switch (channel.kind) {
    case 'webhook':
      return [channel.secretFile];
    case 'slack':
    case 'mattermost':
      return [channel.urlFile];
    case 'email':
      return channel.passwordFile === null ? [] : [channel.passwordFile];
    case 'gitlab':
      return [];
  }
}
