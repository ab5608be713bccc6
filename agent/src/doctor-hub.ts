/** What `doctor` gathers of a hub: of one by itself, with its host, and of the one in an agent. */
import { existsSync, statSync } from 'node:fs';
import { type HubToAsk, lookAtHub } from './cli/hub-look.ts';
import type { Parts } from './cli/parts.ts';
import { lookAtPolicy } from './cli/policy-look.ts';
import type { HubConfig } from './config/load.ts';
import { readSecretFile } from './config/secret-file.ts';
import { openidProvider } from './directories/openid-provider.ts';
import { type Lenient, ownerOf, tokenIn, wantedFiles } from './doctor-config.ts';
import { type Observation, type ReachLook, type Seen, seen, unseen } from './domain/doctor/observation.ts';
import { HoldpointError } from './domain/errors.ts';
import { lookAtChannel } from './notify/reach.ts';
import type { Log } from './ports/log.ts';
import { lookAtGitlab } from './runners/gitlab/doctor/gitlab-look.ts';
import { placeOf } from './store-place.ts';
import { lookAtStore } from './stores/look.ts';
import { createClock } from './system/clock.ts';
import { lookAtAccounts } from './system/host/accounts.ts';
import { lookAtBackup } from './system/host/backup.ts';
import { lookAtCertificateAt, lookAtCertificateOf } from './system/host/certificate.ts';
import { lookAtDisk, lookAtStateDir, lookAtSync } from './system/host/disk.ts';
import { lookAtFiles } from './system/host/files.ts';
import { lookAtProcesses } from './system/host/processes.ts';
import { VERSION } from './version.ts';

type HubParts = Pick<Observation, 'store' | 'certificates' | 'signIn' | 'channels'>;

const all = (not: Seen<never>): HubParts => ({ store: not, certificates: not, signIn: not, channels: not });
/** What an agent with a hub elsewhere can say of it. */
export const HUB_ELSEWHERE = all(unseen('the hub is elsewhere', 'run "holdpoint doctor" on its host'));
/** What an agent that looks by itself leaves to the command. */
export const NO_HUB_PARTS = all(unseen('the agent does not look at its own hub', 'run "holdpoint doctor"'));

const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

const secretIn = (path: string): string | null => {
  const reading = readSecretFile(path, path);
  return reading.ok ? reading.value : null;
};

async function storeOf(config: HubConfig): Promise<Observation['store']> {
  const { store } = config.hub;
  try {
    return await lookAtStore(placeOf(store));
  } catch (error) {
    // The password file cannot be read, which the configuration says as well.
    if (!(error instanceof HoldpointError)) throw error;
    return unseen(error.message, 'run "holdpoint doctor" as root or as the user of the hub');
  }
}

async function certificatesOf({ hub }: HubConfig): Promise<Observation['certificates']> {
  const external = hub.externalUrl === null ? null : new URL(hub.externalUrl);
  const isHttps = external?.protocol === 'https:';
  const { tls } = hub;
  if (tls !== null) {
    const host = isHttps ? external.hostname.replace(/^\[|\]$/g, '') : null;
    return seen([lookAtCertificateOf(tls.files.cert, tls.cert, host)]);
  }
  if (external === null || !isHttps) return seen([]);
  const shown = await lookAtCertificateAt(external);
  return shown.seen ? seen([shown.value]) : shown;
}

async function signInOf(config: HubConfig): Promise<ReachLook | null> {
  const { oidc } = config.hub;
  if (oidc === null) return null;
  const provider = openidProvider({
    ...oidc,
    clientSecret: () => tokenIn(oidc.clientSecretFile),
    ca: oidc.isGitlab ? config.gitlab.ca : null,
    clock: createClock(),
    log: QUIET,
  });
  try {
    // As far as the address that a browser would be sent to: the provider learns of nobody.
    await provider.begin({ redirectUri: 'http://127.0.0.1/', access: 'sign_in', fresh: false });
    return { name: oidc.issuer, problem: null };
  } catch (error) {
    if (!(error instanceof HoldpointError)) throw error;
    return { name: oidc.issuer, problem: error.message };
  } finally {
    await provider.close();
  }
}

/** The store, the certificate, and whom the hub speaks with; nothing is written or sent. */
export async function lookAtHubParts(config: HubConfig): Promise<HubParts> {
  // Alone and first: root reads the store as its owner for a moment, and nothing else must be read in it.
  const store = await storeOf(config);
  const [certificates, signIn, ...channels] = await Promise.all([
    certificatesOf(config),
    signInOf(config),
    ...config.hub.notify.map((channel) => lookAtChannel(channel, secretIn)),
  ]);
  return { store, certificates, signIn: seen(signIn), channels: seen(channels) };
}

function settingsOf({ config, faults, isClosed: hidden }: Lenient<HubConfig>): Observation['settings'] {
  if (config === null) return { ok: false, problems: faults, hidden };
  const { file, gitlab, stateDir, warnings } = config;
  return {
    ok: true,
    value: { file, gitlabUrl: gitlab.url, gateway: null, stateDir, runners: [], receipts: null, faults, warnings },
  };
}

/** Everything of the host of a hub by itself. */
export async function observeHub(options: {
  readonly lenient: Lenient<HubConfig>;
  readonly hub: (config: HubConfig | null) => HubToAsk;
  readonly parts: Pick<Parts, 'policies' | 'payloads'>;
  readonly now: () => number;
  readonly roots: { readonly proc: string; readonly etc: string };
}): Promise<Observation> {
  const { lenient, parts, now, roots } = options;
  const { config } = lenient;
  const accounts = lookAtAccounts(roots.etc);
  const agentUid = config === null ? null : ownerOf(config.stateDir);
  const processes = lookAtProcesses({ proc: roots.proc, agentUid, except: process.pid, homes: accounts.homes });
  const ofAgents = unseen('it is about agents');
  const base = {
    of: 'hub' as const,
    hubBeside: null,
    now: now(),
    version: VERSION,
    settings: settingsOf(lenient),
    agentUid,
    processes,
    accounts: accounts.look,
    runnerFiles: ofAgents,
    gateway: ofAgents,
    executors: ofAgents,
    git: ofAgents,
    sameTags: ofAgents,
  };
  if (config === null) {
    const not = unseen('the configuration of the hub is not known', 'mend what "configuration" says');
    return {
      ...base,
      ...all(not),
      gitlab: not,
      files: not,
      stateDir: not,
      disk: not,
      sync: not,
      backup: not,
      policy: not,
      hub: await lookAtHub(options.hub(null), now),
    };
  }
  const { url, ca, tokenFile } = config.gitlab;
  const parted = await lookAtHubParts(config);
  const [gitlab, hub, policy] = await Promise.all([
    lookAtGitlab({ url, ...(ca === null ? {} : { ca }), token: tokenIn(tokenFile), now }),
    lookAtHub(options.hub(config), now),
    lookAtPolicy({ policy: config.policy, principals: config.principals }, base.now, parts),
  ]);
  return {
    ...base,
    ...parted,
    gitlab: seen(gitlab),
    files: seen(lookAtFiles(wantedFiles(config, []))),
    stateDir: lookAtStateDir(config.stateDir),
    disk: lookAtDisk(config.stateDir),
    sync: await lookAtSync(config.stateDir, process.pid),
    backup: backupOf(config, base.now),
    hub,
    policy,
  };
}

/** A database elsewhere is copied by its own means; what holdpoint has copied counts all the same. */
function backupOf({ stateDir, hub, keys }: HubConfig, now: number): Observation['backup'] {
  const look = lookAtBackup(stateDir, now);
  if (!look.seen || look.value.lastAt !== null) return look;
  if (hub.store.kind === 'postgres')
    return unseen(
      'no backup was made with "holdpoint backup", and those of PostgreSQL itself are not seen',
      `see that they are made, with ${keys.hub} and ${keys.variable} beside them`,
    );
  return existsSync(keys.hub) ? seen({ lastAt: null, sinceMs: Math.max(0, now - statSync(keys.hub).mtimeMs) }) : look;
}
