import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readSecretFile } from '../config/secret-file.ts';
import { HoldpointError } from '../domain/errors.ts';
import { isInJob } from '../wire/token-use.ts';
import { createHubClient, type HubClient } from './client.ts';
import type { Io } from './io.ts';

/** Where the hub is unless somebody says otherwise. */
export const DEFAULT_HUB_URL = 'http://127.0.0.1:8094';
/** A hub answers in milliseconds; half a minute covers a busy disk and a slow line. */
const TIMEOUT_MS = 30_000;
/** An export of a long history is no single answer; an hour is more than the largest takes. */
const EXPORT_TIMEOUT_MS = 3_600_000;

/** Adds the flags of every command that talks to a hub; the token itself is never one of them: it would stand in ps (T24). */
export function withHub(command: Command): Command {
  return command
    .option('--hub <url>', `address of the hub (HOLDPOINT_HUB_URL, else ${DEFAULT_HUB_URL})`)
    .option(
      '--token-file <file>',
      'file with the token (HOLDPOINT_TOKEN_FILE, else HOLDPOINT_TOKEN has the token itself)',
    )
    .option('--json', 'answer as JSON');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function hubUrl(text: string, where: string): string {
  const wrong = (why: string) => new HoldpointError('bad_usage', `${where}: ${why}`);
  if (!URL.canParse(text)) throw wrong('wanted an address like http://127.0.0.1:8094');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw wrong('wanted an address with https:// or http://');
  if (url.username !== '' || url.password !== '') throw wrong('a user or password in it is not allowed; use a token');
  if (url.search !== '' || url.hash !== '') throw wrong('it has a "?" or "#" that does not belong there');
  // In clear over a network everybody on the way could approve with it.
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw wrong('http:// would send the token in clear; use https://, or a tunnel to the hub on this machine');
  }
  return url.href.replace(/\/+$/, '');
}

function tokenOf(options: Record<string, unknown>, io: Io): string | null {
  const file = (options.tokenFile as string | undefined) ?? (io.env.HOLDPOINT_TOKEN_FILE || undefined);
  if (file !== undefined) {
    const reading = readSecretFile(resolve(io.cwd, file), file);
    if (reading.ok) return reading.value;
    const where = options.tokenFile === undefined ? 'HOLDPOINT_TOKEN_FILE' : '--token-file';
    throw new HoldpointError('bad_usage', `${where}: ${reading.message}`);
  }
  const token = io.env.HOLDPOINT_TOKEN || null;
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new HoldpointError('bad_usage', 'HOLDPOINT_TOKEN: a token is one word');
  }
  return token;
}

/** The address that flag or environment name, else `fallback`, and the token if there is one: for what asks a hub without needing it. */
export function hubToAsk(
  command: Command,
  io: Io,
  fallback: string,
): { readonly url: string; readonly token: string | null } {
  const options = command.optsWithGlobals() as Record<string, unknown>;
  const flag = options.hub as string | undefined;
  const named = flag ?? (io.env.HOLDPOINT_HUB_URL || undefined);
  const url = named === undefined ? fallback : hubUrl(named, flag === undefined ? 'HOLDPOINT_HUB_URL' : '--hub');
  return { url, token: tokenOf(options, io) };
}

/** A GitLab credential from a file that nobody else can read; never from a flag, which would stand in ps (T24). */
export function gitlabCredential(file: string, io: Io): string {
  const reading = readSecretFile(resolve(io.cwd, file), file);
  if (reading.ok) return reading.value;
  throw new HoldpointError('bad_usage', `--gitlab-token-file: ${reading.message}`);
}

/** The hub that flags and environment name, with the token they name; `bad_usage` when either is no good. */
export function connectHub(command: Command, io: Io, longRunning = false): HubClient {
  const options = command.optsWithGlobals() as Record<string, unknown>;
  const flag = options.hub as string | undefined;
  const url = hubUrl(
    flag ?? (io.env.HOLDPOINT_HUB_URL || DEFAULT_HUB_URL),
    flag === undefined ? 'HOLDPOINT_HUB_URL' : '--hub',
  );
  const timeoutMs = longRunning ? EXPORT_TIMEOUT_MS : TIMEOUT_MS;
  return createHubClient({ url, token: tokenOf(options, io), timeoutMs, inJob: isInJob(io.env) });
}

/** An id as people type it. */
export function idOf(text: string, what: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new HoldpointError('bad_usage', `"${text}" is no ${what} id; wanted a number, see "holdpoint ${what}s list"`);
  }
  return Number(text);
}
