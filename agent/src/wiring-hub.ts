/** Composition root of a hub, embedded or alone: configuration → objects, started in order, stopped in reverse. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Registry } from 'prom-client';
import { claimedPeople } from './app/claimed-people.ts';
import { requireSameKeys } from './app/same-keys.ts';
import { sharedClock } from './app/shared-clock.ts';
import { silentTracer } from './app/silent.ts';
import { finishRotations } from './care-keys.ts';
import type { HubConfig } from './config/load.ts';
import { readSecretFile } from './config/secret-file.ts';
import { readTls, type TlsConfig } from './config/tls.ts';
import { combined } from './directories/combined.ts';
import { openidProvider } from './directories/openid-provider.ts';
import { openPolicy } from './directories/policy-file.ts';
import { openDirectory } from './directories/principals-file.ts';
import type { Signer } from './domain/dsse.ts';
import { HoldpointError } from './domain/errors.ts';
import { DEFAULT_POLICY, type Policy } from './domain/policy.ts';
import { variableKeyId } from './domain/variable-tag.ts';
import { createHub, type Hub, MAX_CONNECTIONS_ALONE, MAX_CONNECTIONS_BESIDE } from './hub/hub.ts';
import { openChannels } from './notify/open.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { Store } from './ports/store.ts';
import type { Tracer } from './ports/tracer.ts';
import { gitlabDirectory } from './runners/gitlab/directory.ts';
import { createMembersApi } from './runners/gitlab/members-api.ts';
import { createPeopleApi } from './runners/gitlab/people-api.ts';
import { addressOf, placeOf } from './store-place.ts';
import { takeLock } from './stores/folder-lock.ts';
import { openStoreAt } from './stores/places.ts';
import { openPostgresHints } from './stores/postgres-hints.ts';
import { auditWitness } from './system/audit-witness.ts';
import { followBackup } from './system/backup-age.ts';
import { openHubKey, verifySignature } from './system/hub-key.ts';
import { openKeyFile, refuseNewKey } from './system/key-file.ts';
import { type PassedSockets, requireSamePlace } from './system/passed-sockets.ts';
import { followFiles } from './system/renewed.ts';
import { restoredState } from './system/restored-state.ts';
import { sealUnder } from './system/seal.ts';
import { openStateDir } from './system/state-dir.ts';
import { VERSION } from './version.ts';
import { firstLink } from './wire/page-paths.ts';

/** What starting needs beside the configuration. */
export interface StartOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** How long a stop of an agent waits for what is open; `gateway.drain` unless given. */
  readonly drainMs?: number;
  /** Where metrics are registered; an empty registry where absent. */
  readonly registry?: Registry;
  /** False: the agent does not look at its own host; it is somebody else's in demos and most tests. */
  readonly examine?: boolean;
  /** Milliseconds that only grow while this process runs; default: those of the system. */
  readonly monotonic?: () => number;
  /** Folder of the built page; default: what the build put beside this program. */
  readonly page?: string | null;
  /** Sockets that the service manager holds open across restarts. */
  readonly sockets?: PassedSockets;
}

/** A hub that listens. */
export interface RunningHub {
  readonly hubUrl: string;
  /** Text of the one-time bootstrap token, once, while the hub has no token yet; null otherwise. */
  readonly bootstrapToken: string | null;
  /** Link with that token that signs the first administrator in on the page; null without one. */
  readonly firstLink: string | null;
  /** What a stop would wait for, and how long at most; null where there is no such thing. */
  left(): { readonly requests: number | null; readonly parked: number | null; readonly atMostMs: number };
  /** Resolves when the store has answered, if only that it cannot. */
  alive(): Promise<void>;
  stop(): Promise<void>;
}

/** What is done to stop, the last first. */
export type Stops = (() => Promise<void>)[];

/** Runs what was gathered, the last first. */
export async function stopAll(stops: Stops): Promise<void> {
  for (let next = stops.pop(); next; next = stops.pop()) await next();
}

/** Starts everything that `holdpoint hub` is; rejects with a HoldpointError, and nothing left running, when a part cannot start. */
export async function startHub(config: HubConfig, options: StartOptions): Promise<RunningHub> {
  const stops: Stops = [];
  try {
    openStateDir(config.stateDir);
    // Two hubs on one folder would write one witness; and no key is rotated under one that runs.
    stops.push(await takeLock(join(config.stateDir, 'lock')));
    for (const said of await finishRotations(config, options.clock.now())) options.log.warn({}, said);
    // Half a restore is refused; of a whole one a hub has nothing to give up, since jobs are with the agents.
    restoredState(config.stateDir)?.takenUp();
    if (options.sockets?.has('gateway') === true)
      options.log.warn(
        {},
        'systemd passes a socket for a gateway, which a hub alone has none of: disable its socket unit',
      );
    const tracer = await tracerOf(config, stops);
    const { hub, url, reachedAt, alive } = await openHub(config, options, tracer, stops);
    const left = () => ({ requests: null, parked: null, atMostMs: 0 });
    return { ...(await firstStep(config, hub, reachedAt)), hubUrl: url, left, alive, stop: () => stopAll(stops) };
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

/** Where spans go; the libraries for it are loaded only where somebody wants them. */
export async function tracerOf({ trace }: HubConfig, stops: Stops): Promise<Tracer> {
  if (trace === null) return silentTracer;
  const tracer = (await import('./system/tracing.ts')).openTracer(trace.url, VERSION);
  stops.push(() => tracer.close());
  return tracer;
}

/** A hub that listens, and what an agent in the same process needs of it. */
export interface OpenedHub {
  readonly hub: Hub;
  readonly key: Signer;
  /** As it is to be told to people. */
  readonly url: string;
  /** Where this machine reaches it. */
  readonly reachedAt: string;
  readonly policy: () => Policy;
  readonly alive: () => Promise<void>;
  /** What it serves at this moment, PEM; null without TLS. */
  readonly certificate: () => string | null;
}

/** The agent of the same process: it proves itself with a key that never leaves it. */
export interface EmbeddedAgent {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

/** Puts a hub together and lets it listen; what is to be stopped goes to `stops`. */
export async function openHub(
  config: HubConfig,
  { log, clock: ownClock, page, registry, sockets }: StartOptions,
  tracer: Tracer,
  stops: Stops,
  embedded: EmbeddedAgent | null = null,
): Promise<OpenedHub> {
  const place = config.hub.store;
  if (place.kind === 'sqlite') refuseNewKey(config.keys.variable, 'variable key', [place.path]);
  const opened = await openHubStore(config, log);
  stops.push(() => opened.close());
  const clock = await clockOf(opened, ownClock, log, stops);
  const variableKey = openKeyFile(config.keys.variable, 'variable key', 'keys.variable');
  const key = openHubKey(config.keys.hub);
  const recordings = openKeyFile(config.keys.recordings, 'key of recordings', 'keys.recordings');
  const own = {
    variable: { fingerprint: variableKeyId(variableKey), path: config.keys.variable },
    hub: { fingerprint: key.keyid, path: config.keys.hub },
    recordings: { fingerprint: variableKeyId(recordings), path: config.keys.recordings },
  };
  await requireSameKeys(opened, own, place.kind === 'postgres');
  const seal = sealUnder(recordings);
  const { oidc } = config.hub;
  const written =
    config.principals === null
      ? null
      : openDirectory({
          path: config.principals,
          log,
          clock,
          ...(oidc?.membership === 'claims' ? { claimed: () => claimedPeople(opened, clock) } : {}),
        });
  const asked = gitlabPeople(config, clock, log);
  if (asked !== null) stops.push(() => asked.close());
  const directory =
    written !== null && asked !== null ? combined(written, asked.directory) : (written ?? asked?.directory);
  if (directory === undefined) throw new HoldpointError('bad_config', 'neither principals nor GitLab says who is who');
  const policyFile = config.policy === null ? null : openPolicy({ path: config.policy, log, now: () => clock.now() });
  const policy = policyFile ?? (() => DEFAULT_POLICY);

  const peopleApi = createPeopleApi({
    url: config.gitlab.url,
    ...(config.gitlab.ca === null ? {} : { ca: config.gitlab.ca }),
  });
  stops.push(() => peopleApi.close());
  const hints = place.kind === 'sqlite' ? null : openPostgresHints({ url: addressOf(place), clock, log });
  if (hints !== null) stops.push(() => hints.close());
  let tlsProblem = (): string | null => null;
  const backup = followBackup(
    { stateDir: config.stateDir, expected: place.kind === 'sqlite' },
    () => clock.now(),
    registry,
  );
  const hub = createHub({
    store: opened,
    backupAge: backup.seconds,
    ...(hints === null ? {} : { hints }),
    directory,
    policy,
    ...(policyFile && { policyStatus: policyFile.status }),
    variableKey,
    seal,
    audit: {
      signer: key,
      verify: verifySignature,
      witness: auditWitness(join(config.stateDir, 'audit-head.json')),
    },
    ...(config.hub.externalUrl === null ? {} : { externalUrl: config.hub.externalUrl }),
    agents: embedded === null ? [] : [embedded],
    local: embedded === null ? [] : [embedded.name],
    ci: {
      api: peopleApi,
      botToken: tokenOf(config.hub.gitlabTokenFile, 'hub.gitlab_token_file', log),
      tokens: [
        { purpose: 'facts', read: secretOf(config.gitlab.tokenFile) },
        { purpose: 'members', read: secretOf(config.hub.gitlabMembersTokenFile) },
        { purpose: 'retry', read: secretOf(config.hub.gitlabTokenFile) },
      ],
    },
    ...(oidc === null
      ? {}
      : {
          identity: {
            provider: openidProvider({
              ...oidc,
              clientSecret: tokenOf(oidc.clientSecretFile, 'hub.oidc.client_secret_file', log),
              ca: oidc.isGitlab ? config.gitlab.ca : null,
              clock,
              log: log.child({ part: 'sign-in' }),
            }),
            admins: oidc.admins,
          },
        }),
    notify: {
      channels: config.hub.notify,
      senders: openChannels(config.hub.notify, (path) => tokenOf(path, 'a secret of hub.notify', log), clock),
    },
    tls: config.hub.tls,
    tlsProblem: () => tlsProblem(),
    trustedProxies: config.hub.trustedProxies,
    plainHttp: config.hub.plainHttp,
    maxConnections: embedded === null ? MAX_CONNECTIONS_ALONE : MAX_CONNECTIONS_BESIDE,
    offlineGrace: config.hub.offlineGrace,
    clock,
    log: log.child({ part: 'hub' }),
    version: VERSION,
    tracer,
    ...(registry === undefined ? {} : { registry }),
    gitlabUrl: config.gitlab.url,
    page: page === undefined ? builtPage() : page,
  });
  stops.push(() => hub.close());
  const certificate = followCertificate(config, hub, clock, log);
  if (certificate !== null) stops.push(async () => certificate.close());
  tlsProblem = () => certificate?.problem() ?? null;
  const { host } = config.hub.listen;
  const socket = sockets?.get('hub');
  const taken = await hub.listen(host, config.hub.listen.port, socket);
  if (socket !== undefined) requireSamePlace('hub.listen', config.hub.listen, taken);
  const { port } = taken;
  const scheme = config.hub.tls === null ? 'http' : 'https';
  const [url, reachedAt] = [originOf(host, port, scheme), originOf(reachable(host), port, scheme)];
  // An error is an answer, and no new start mends it; while it stands, parked jobs are kept alive. Silence is what must not last.
  const alive = () =>
    opened.review(0).then(
      () => {},
      () => {},
    );
  return { hub, key, url, reachedAt, policy, alive, certificate: () => certificate?.current().cert ?? null };
}

/** The hub's certificate and key, as often as they are renewed. */
function followCertificate({ hub: { tls } }: HubConfig, hub: Hub, clock: Clock, log: Log) {
  if (tls === null) return null;
  const textOf = ({ cert, key }: TlsConfig): string => `${cert}\0${key}`;
  return followFiles({
    first: tls,
    firstText: textOf(tls),
    read() {
      const found = readTls(tls.files);
      return found.ok ? { ...found, text: textOf(found.value) } : found;
    },
    what: 'the certificate of the hub',
    renewed: hub.renewTls,
    clock,
    log,
  });
}

/** The one-time token of an empty store, and the link with it. */
export async function firstStep(
  config: HubConfig,
  hub: Hub,
  reachedAt: string,
): Promise<Pick<RunningHub, 'bootstrapToken' | 'firstLink'>> {
  const bootstrapToken = await hub.bootstrapToken();
  const link = bootstrapToken === null ? null : firstLink(config.hub.externalUrl ?? reachedAt, bootstrapToken);
  return { bootstrapToken, firstLink: link };
}

/** The same for whoever says by themselves what is wrong with it; null where none is set. */
function secretOf(path: string | null) {
  return path === null ? null : () => readSecretFile(path, path);
}

/** The directory that GitLab is, where a token for it was given. */
function gitlabPeople(config: HubConfig, clock: Clock, log: Log) {
  const { gitlabMembersTokenFile: file } = config.hub;
  if (file === null) return null;
  const { url, ca } = config.gitlab;
  const token = tokenOf(file, 'hub.gitlab_members_token_file', log);
  const api = createMembersApi({ url, token, ...(ca === null ? {} : { ca }) });
  const directory = gitlabDirectory({ api, clock, log: log.child({ part: 'people' }) });
  return { directory, close: () => api.close() };
}

/** Hubs on one database have its time; a hub with a file of its own has its machine's. */
async function clockOf({ serverTime }: Store, clock: Clock, log: Log, stops: Stops): Promise<Clock> {
  if (serverTime === undefined) return clock;
  const shared = await sharedClock(clock, serverTime, log);
  stops.push(async () => shared.close());
  return shared;
}

/** The store; one in a database that others fill too has what was written with a key that this host must have. */
async function openHubStore(config: HubConfig, log: Log): Promise<Store> {
  const place = config.hub.store;
  if (place.kind === 'sqlite') return openStoreAt(placeOf(place));
  if (new URL(place.url).password !== '')
    log.warn(
      {},
      'the password of the store stands in the configuration: better in a file of its own, hub.store_password_file',
    );
  const store = await openStoreAt(placeOf(place));
  if ((await store.auditHead()).seq === 0 || existsSync(config.keys.variable)) return store;
  await store.close();
  throw new HoldpointError(
    'bad_config',
    `there is no variable key at ${config.keys.variable}, but the store was written with one: copy it from another hub, or from your backup`,
  );
}

/** A token as its file has it at each use: it is rotated once a year, and the process runs on. */
export function tokenOf(path: string | null, key: string, log: Log): () => string | null {
  if (path === null) return () => null;
  let said = '';
  return () => {
    const reading = readSecretFile(path, path);
    const problem = reading.ok ? '' : reading.message;
    if (problem !== said && problem !== '') log.error({ reason: problem }, `${key} cannot be used`);
    said = problem;
    return reading.ok ? reading.value : null;
  };
}

/** The page as the build left it: beside the compiled program, or in `dist` where the sources run. Null: none is built. */
function builtPage(): string | null {
  const folders = ['../../page/', '../../dist/page/'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return folders.find((folder) => existsSync(join(folder, 'index.html')) && existsSync(join(folder, 'assets'))) ?? null;
}

/** An address that listens everywhere is reached on loopback. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

/** Address of a listening socket as people write it. */
export function originOf(host: string, port: number, scheme: 'http' | 'https' = 'http'): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
