/** Composition root of `holdpoint agent`: configuration → objects, started in order, stopped in reverse. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimedPeople } from './app/claimed-people.ts';
import type { AgentConfig } from './config/load.ts';
import { readSecretFile } from './config/secret-file.ts';
import { combined } from './directories/combined.ts';
import { openidProvider } from './directories/openid-provider.ts';
import { openPolicy } from './directories/policy-file.ts';
import { openDirectory } from './directories/principals-file.ts';
import { HoldpointError } from './domain/errors.ts';
import { DEFAULT_POLICY } from './domain/policy.ts';
import { demandedMode } from './domain/policy-demands.ts';
import { createHub } from './hub/hub.ts';
import { createLinkClient } from './link/client.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import { createAgent } from './runners/gitlab/agent.ts';
import { gitlabDirectory } from './runners/gitlab/directory.ts';
import { createMembersApi } from './runners/gitlab/members-api.ts';
import { createPeopleApi } from './runners/gitlab/people-api.ts';
import { openParkingLot } from './stores/parking-lot.ts';
import { openRunnerTokens } from './stores/runner-tokens.ts';
import { openStore } from './stores/store.ts';
import { auditWitness } from './system/audit-witness.ts';
import { openHubKey, verifySignature } from './system/hub-key.ts';
import { openKeyFile, refuseNewKey } from './system/key-file.ts';
import { sealUnder } from './system/seal.ts';
import { cursorFile, openStateDir } from './system/state-dir.ts';
import { VERSION } from './version.ts';
import { firstLink } from './wire/page-paths.ts';

/** The one agent of an embedded hub; its key is made at each start and never leaves the process. */
const EMBEDDED_AGENT = 'embedded';
/** GitLab reaps a job after 30 minutes without updates; a minute also notices a cancel soon. */
const HEARTBEAT_MS = 60_000;

export interface RunningAgent {
  readonly gatewayUrl: string;
  readonly hubUrl: string;
  /** Text of the one-time bootstrap token, once, while the hub has no token yet; null otherwise. */
  readonly bootstrapToken: string | null;
  /** Link with that token that signs the first administrator in on the page; null without one. */
  readonly firstLink: string | null;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** How long a stop waits for what GitLab still owes to open polls; default of the agent. */
  readonly drainMs?: number;
  /** Folder of the built page; default: what the build put beside this program. */
  readonly page?: string | null;
}

/** Starts everything that `holdpoint agent` is; rejects with a HoldpointError, and nothing left running, when a part cannot start. */
export async function startAgent(
  config: AgentConfig,
  { log, clock, drainMs, page }: StartOptions,
): Promise<RunningAgent> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next; next = stops.pop()) await next();
  };
  try {
    openStateDir(config.stateDir);
    const tokensDir = join(config.stateDir, 'runner-tokens');
    const lotDir = join(config.stateDir, 'parking');
    refuseNewKey(config.keys.variable, 'variable key', [config.hub.store.path]);
    refuseNewKey(config.keys.seal, 'seal key', [lotDir, tokensDir]);
    const variableKey = openKeyFile(config.keys.variable, 'variable key', 'keys.variable');
    const seal = sealUnder(openKeyFile(config.keys.seal, 'seal key', 'keys.seal'));
    const { oidc } = config.hub;
    const written =
      config.principals === null
        ? null
        : openDirectory({
            path: config.principals,
            log,
            clock,
            ...(oidc?.membership === 'claims' ? { claimed: () => claimedPeople(store, clock) } : {}),
          });
    const asked = gitlabPeople(config, clock, log);
    if (asked !== null) stops.push(() => asked.close());
    const directory =
      written !== null && asked !== null ? combined(written, asked.directory) : (written ?? asked?.directory);
    if (directory === undefined)
      throw new HoldpointError('bad_config', 'neither principals nor GitLab says who is who');
    const policyFile = config.policy === null ? null : openPolicy({ path: config.policy, log, now: () => clock.now() });
    const policy = policyFile ?? (() => DEFAULT_POLICY);

    const store = await openStore({ path: config.hub.store.path });
    stops.push(() => store.close());
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const peopleApi = createPeopleApi({
      url: config.gitlab.url,
      ...(config.gitlab.ca === null ? {} : { ca: config.gitlab.ca }),
    });
    stops.push(() => peopleApi.close());
    const hub = createHub({
      store,
      directory,
      policy,
      ...(policyFile && { policyStatus: policyFile.status }),
      variableKey,
      audit: {
        signer: openHubKey(config.keys.hub),
        verify: verifySignature,
        witness: auditWitness(join(config.stateDir, 'audit-head.json')),
      },
      ...(config.hub.externalUrl === null ? {} : { externalUrl: config.hub.externalUrl }),
      agents: [{ name: EMBEDDED_AGENT, publicKey: rawPublicKey(publicKey) }],
      local: [EMBEDDED_AGENT],
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
      clock,
      log: log.child({ part: 'hub' }),
      version: VERSION,
      gitlabUrl: config.gitlab.url,
      page: page === undefined ? builtPage() : page,
    });
    stops.push(() => hub.close());
    const { port: hubPort } = await hub.listen(config.hub.listen.host, config.hub.listen.port);

    const gatekeeper = createLinkClient({
      url: originOf(reachable(config.hub.listen.host), hubPort),
      agent: EMBEDDED_AGENT,
      version: VERSION,
      // A runner in mode monitor is not gated, whatever it is to become.
      runners: config.runners.map(({ name, protected: guarded, mode }) => ({
        name,
        protected: guarded && mode !== 'monitor',
      })),
      sign: (bytes) => sign(null, bytes, privateKey),
      cursor: cursorFile(join(config.stateDir, 'link-cursor')),
      clock,
      log: log.child({ part: 'link' }),
    });
    stops.push(() => gatekeeper.close());
    const parkingLot = await openParkingLot({ dir: lotDir, seal, log });
    stops.push(() => parkingLot.close());
    const agent = createAgent({
      gitlabUrl: config.gitlab.url,
      gitlabToken: tokenOf(config.gitlab.tokenFile, 'gitlab.token_file', log),
      ...(config.gitlab.ca === null ? {} : { gitlabCa: config.gitlab.ca }),
      runners: config.runners,
      wanted: (runner) => demandedMode(policy().runners, runner),
      runnerTokens: openRunnerTokens({ dir: tokensDir, seal }),
      parking: { ...config.parking, heartbeatMs: HEARTBEAT_MS },
      gatekeeper,
      parkingLot,
      clock,
      log: log.child({ part: 'gateway' }),
    });
    stops.push(() => agent.close(drainMs === undefined ? {} : { drainMs }));
    const { port: gatewayPort } = await agent.listen(config.gateway.listen.host, config.gateway.listen.port);
    const hubUrl = originOf(config.hub.listen.host, hubPort);
    const bootstrapToken = await hub.bootstrapToken();
    return {
      gatewayUrl: originOf(config.gateway.listen.host, gatewayPort),
      hubUrl,
      bootstrapToken,
      firstLink:
        bootstrapToken === null
          ? null
          : firstLink(config.hub.externalUrl ?? originOf(reachable(config.hub.listen.host), hubPort), bootstrapToken),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The same for whoever says by themselves what is wrong with it; null where none is set. */
function secretOf(path: string | null) {
  return path === null ? null : () => readSecretFile(path, path);
}

/** The directory that GitLab is, where a token for it was given. */
function gitlabPeople(config: AgentConfig, clock: Clock, log: Log) {
  const { gitlabMembersTokenFile: file } = config.hub;
  if (file === null) return null;
  const { url, ca } = config.gitlab;
  const token = tokenOf(file, 'hub.gitlab_members_token_file', log);
  const api = createMembersApi({ url, token, ...(ca === null ? {} : { ca }) });
  const directory = gitlabDirectory({ api, clock, log: log.child({ part: 'people' }) });
  return { directory, close: () => api.close() };
}

/** A token as its file has it at each use: it is rotated once a year, and the agent runs on. */
function tokenOf(path: string | null, key: string, log: Log): () => string | null {
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

function rawPublicKey(key: ReturnType<typeof generateKeyPairSync>['publicKey']): Uint8Array {
  const { x } = key.export({ format: 'jwk' }) as { x: string };
  return Buffer.from(x, 'base64url');
}

/** An address that listens everywhere is reached on loopback. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

function originOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
