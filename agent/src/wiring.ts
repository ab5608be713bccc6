/** Composition root of `holdpoint agent`: configuration → objects, started in order, stopped in reverse. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Registry } from 'prom-client';
import { examineSelf } from './app/examine-self.ts';
import { offlineGatekeeper } from './app/offline/gatekeeper.ts';
import { openSnapshotKeeper } from './app/offline/snapshot-keeper.ts';
import { finishRotations } from './care-keys.ts';
import type { AgentConfig } from './config/load.ts';
import { readSecretFile } from './config/secret-file.ts';
import { type CaConfig, readCertificates } from './config/tls.ts';
import { policyParts } from './directories/policy-parts.ts';
import { observe } from './doctor.ts';
import type { Signer } from './domain/dsse.ts';
import { HoldpointError } from './domain/errors.ts';
import type { RunnerDemand } from './domain/policy.ts';
import { demandedMode } from './domain/policy-demands.ts';
import { type Readiness, readinessOf } from './domain/readiness.ts';
import { createLinkClient } from './link/client.ts';
import { enrolAgent } from './link/enrol.ts';
import type { LinkTrust } from './link/session.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { Seal } from './ports/seal.ts';
import type { Tracer } from './ports/tracer.ts';
import { createAgent } from './runners/gitlab/agent.ts';
import { openParkingLot } from './stores/parking-lot.ts';
import { openRunnerTokens } from './stores/runner-tokens.ts';
import { openAgentKey, readIdentity, writeIdentity } from './system/agent-identity.ts';
import { createAgentMetrics } from './system/agent-metrics.ts';
import { gitRepository } from './system/git/repository.ts';
import { createHealthServer } from './system/health-server.ts';
import { hostBreakGlass } from './system/host-break-glass.ts';
import { freshKey, verifySignature } from './system/hub-key.ts';
import { openKeyFile, refuseNewKey } from './system/key-file.ts';
import { requireSamePlace } from './system/passed-sockets.ts';
import { httpRegistries } from './system/registry.ts';
import { followFiles } from './system/renewed.ts';
import { restoredState } from './system/restored-state.ts';
import { sealUnder } from './system/seal.ts';
import { snapshotFile } from './system/snapshot-file.ts';
import { cursorFile, openStateDir } from './system/state-dir.ts';
import { VERSION } from './version.ts';
import {
  firstStep,
  openHub,
  originOf,
  type RunningHub,
  type StartOptions,
  type Stops,
  stopAll,
  tokenOf,
  tracerOf,
} from './wiring-hub.ts';
import { openReceipts } from './wiring-receipts.ts';

/** The one agent of an embedded hub; its key is made at each start and never leaves the process. */
const EMBEDDED_AGENT = 'embedded';
/** GitLab reaps a job after 30 minutes without updates; a minute also notices a cancel soon. */
const HEARTBEAT_MS = 60_000;
/** A hub that is there answers within a second; one that is not must not keep a host from starting. */
const FIRST_SNAPSHOT_MS = 10_000;

/** What the agent says of itself while it finishes what is open. */
const STOPPING: Readiness = { notReady: 'the agent is being stopped', status: 'degraded', problems: [] };

/** An agent that runs; with a hub elsewhere there is no first token to be had here. */
export interface RunningAgent extends RunningHub {
  readonly gatewayUrl: string;
  /** Address of the agent's own metrics and health; null where it has none. */
  readonly metricsUrl: string | null;
}

/** The hub as the agent reaches it, embedded or not: over the link. */
interface Reached {
  readonly hubUrl: string;
  readonly linkUrl: string;
  readonly name: string;
  readonly hubKey: Uint8Array;
  readonly key: Signer;
  /** What the hub's certificate has to come from; null: from whatever the system trusts. */
  readonly trust: () => LinkTrust | null;
  /** What the policy wants of runners; null: it stands in the hub's snapshot. */
  readonly demands: (() => readonly RunnerDemand[]) | null;
  readonly alive: () => Promise<void>;
  readonly first: () => Promise<Pick<RunningHub, 'bootstrapToken' | 'firstLink'>>;
}

/** Starts everything that `holdpoint agent` is; rejects with a HoldpointError, and nothing left running, when a part cannot start. */
export async function startAgent(config: AgentConfig, options: StartOptions): Promise<RunningAgent> {
  const { log, clock, drainMs = config.gateway.drainMs, registry = new Registry(), examine = true } = options;
  const stops: Stops = [];
  try {
    openStateDir(config.stateDir);
    const restored = restoredState(config.stateDir);
    for (const words of await finishRotations(config, clock.now())) log.warn({}, words);
    const tokensDir = join(config.stateDir, 'runner-tokens');
    const lotDir = join(config.stateDir, 'parking');
    refuseNewKey(config.keys.seal, 'seal key', [lotDir, tokensDir]);
    const seal = sealUnder(openKeyFile(config.keys.seal, 'seal key', 'keys.seal'));
    const tracer = await tracerOf(config, stops);
    const reached = await (config.remote === null
      ? ownHub(config, { ...options, registry }, tracer, stops)
      : hubElsewhere(config, options, stops));
    if (config.remote !== null && options.sockets?.has('hub') === true)
      log.warn(
        {},
        'systemd passes a socket for the hub, but hub.url says that it is elsewhere: disable holdpoint-agent-hub.socket',
      );
    const metrics = createAgentMetrics(registry);

    // An agent whose hub is in its own process does without neither.
    const snapshots = config.remote === null ? null : keeperOf(config, options, reached, seal);
    if (snapshots !== null) stops.push(async () => snapshots.close());
    const link = createLinkClient({
      url: reached.linkUrl,
      agent: reached.name,
      version: VERSION,
      // A runner in mode monitor is not gated, whatever it is to become.
      runners: config.runners.map(({ name, protected: guarded, mode }) => ({
        name,
        protected: guarded && mode !== 'monitor',
      })),
      hubKey: reached.hubKey,
      trust: reached.trust,
      sign: reached.key.sign,
      snapshot: () => snapshots?.held() ?? null,
      cursor: cursorFile(join(config.stateDir, 'link-cursor')),
      clock,
      log: log.child({ part: 'link' }),
      meter: metrics,
    });
    stops.push(() => link.close());
    const gatekeeper =
      snapshots === null
        ? link
        : offlineGatekeeper({
            link,
            snapshots,
            breakGlass: hostBreakGlass(config.breakGlassFile, log),
            log: log.child({ part: 'offline' }),
          });
    // How the policy wants runners gated stands in the first one.
    await snapshots?.first(FIRST_SNAPSHOT_MS);
    const parkingLot = await openParkingLot({ dir: lotDir, seal, log });
    stops.push(() => parkingLot.close());
    const receipts =
      config.receipts === null
        ? undefined
        : await openReceipts(
            {
              config: config.receipts,
              stateDir: config.stateDir,
              seal,
              gatekeeper,
              meter: metrics,
              clock,
              log: log.child({ part: 'receipts' }),
              restored: restored?.giveUp != null,
            },
            stops,
          );
    const asked = httpRegistries({ ca: config.gitlab.ca });
    stops.push(() => asked.close());
    const registries =
      config.pinSocket === null
        ? asked
        : (await import('./executors/docker/local-images.ts')).localImages(config.pinSocket, asked);
    const agent = createAgent({
      receipts,
      gitlabUrl: config.gitlab.url,
      gitlabToken: tokenOf(config.gitlab.tokenFile, 'gitlab.token_file', log),
      ...(config.gitlab.ca === null ? {} : { gitlabCa: config.gitlab.ca }),
      runners: config.runners,
      wanted: (runner) =>
        wantedMode(
          reached.demands === null ? (snapshots?.current()?.body.policy.runners ?? null) : reached.demands(),
          runner,
        ),
      runnerTokens: openRunnerTokens({ dir: tokensDir, seal }),
      parking: { ...config.parking, heartbeatMs: HEARTBEAT_MS },
      gatekeeper,
      repository: gitRepository({ folder: join(config.stateDir, 'repositories') }),
      registries,
      parkingLot,
      giveUp: restored?.giveUp ?? null,
      clock,
      log: log.child({ part: 'gateway' }),
      meter: metrics,
      tracer,
    });
    metrics.follow({
      counts: agent.counts,
      oldestParkedAt: agent.oldestParkedAt,
      openRequests: agent.openRequests,
      problems: agent.problems,
      inStep: agent.inStep,
      linked: gatekeeper.connected,
      now: () => clock.now(),
      stateDir: config.stateDir,
    });
    let stopping = false;
    const health = createHealthServer({
      ready: () => (stopping ? STOPPING : readinessOf(agent.problems())),
      metrics: () => registry.metrics(),
    });
    // Told until the last transfer is over.
    stops.push(() => health.close());
    stops.push(() => {
      stopping = true;
      return agent.close({ drainMs });
    });
    const socket = options.sockets?.get('gateway');
    const { listen } = config.gateway;
    const place = await agent.listen(listen.host, listen.port, socket);
    if (socket !== undefined) requireSamePlace('gateway.listen', listen, place);
    restored?.takenUp();
    const { metrics: own } = config;
    if (examine) {
      const now = () => clock.now();
      const parts = { policies: async () => policyParts, payloads: payloadParts };
      const host = examineSelf({
        observe: () => observe({ of: { config }, runnerConfigs: [], hub: null, parts, now }),
        gatekeeper,
        clock,
        log: log.child({ part: 'doctor' }),
      });
      stops.push(() => host.close());
    }
    return {
      metricsUrl:
        own === null ? null : originOf(own.listen.host, await health.listen(own.listen.host, own.listen.port)),
      left: () => ({ ...agent.left(), atMostMs: drainMs }),
      gatewayUrl: originOf(listen.host, place.port),
      hubUrl: reached.hubUrl,
      ...(await reached.first()),
      alive: reached.alive,
      stop: () => stopAll(stops),
    };
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

/** How payloads are read, for the cases beside a policy. */
async function payloadParts() {
  const [{ readPayload }, { jwksVerifier }] = await Promise.all([
    import('./runners/gitlab/configuration.ts'),
    import('./runners/gitlab/id-tokens.ts'),
  ]);
  return { readPayload, jwksVerifier };
}

function keeperOf(config: AgentConfig, { clock, log, monotonic }: StartOptions, reached: Reached, seal: Seal) {
  return openSnapshotKeeper({
    agent: reached.name,
    hubKey: reached.hubKey,
    verify: verifySignature,
    file: snapshotFile(join(config.stateDir, 'snapshot'), seal, log),
    clock,
    monotonic: monotonic ?? (() => performance.now()),
    log: log.child({ part: 'offline' }),
  });
}

/** How strictly a runner is gated at least; as strictly as can be where no hub has ever said what the policy wants (T26). */
function wantedMode(known: readonly RunnerDemand[] | null, runner: string) {
  return known === null ? ('enforce' as const) : demandedMode(known, runner);
}

/** A hub in this very process, and a key for the agent that is made at each start and never leaves it. */
async function ownHub(config: AgentConfig, options: StartOptions, tracer: Tracer, stops: Stops): Promise<Reached> {
  const key = freshKey();
  const embedded = { name: EMBEDDED_AGENT, publicKey: key.publicKey };
  const opened = await openHub(config, options, tracer, stops, embedded);
  const { hub, key: hubKey, url, reachedAt, policy, alive, certificate } = opened;
  return {
    hubUrl: url,
    linkUrl: reachedAt,
    name: EMBEDDED_AGENT,
    hubKey: hubKey.publicKey,
    key,
    // Its own certificate and no other, whatever name stands in it.
    trust() {
      const ca = certificate();
      return ca === null ? null : { ca, exact: true };
    },
    demands: () => policy().runners,
    alive,
    first: () => firstStep(config, hub, reachedAt),
  };
}

/** The hub that `hub.url` names: the agent enrols with it once, with the key that it has made itself. */
async function hubElsewhere(config: AgentConfig, { log, clock }: StartOptions, stops: Stops): Promise<Reached> {
  const { url, ca, enrolmentTokenFile } = config.remote!;
  const { stateDir } = config;
  if (config.hub.store.kind === 'sqlite' && existsSync(config.hub.store.path))
    log.warn(
      { store: config.hub.store.path },
      "the store of this host's own hub is not used any more: hub.url names another; move it there with care, or away",
    );
  const key = openAgentKey(stateDir);
  let identity = readIdentity(stateDir);
  if (identity === null) {
    identity = await enrolAgent({
      url,
      token: enrolmentToken(enrolmentTokenFile),
      key,
      ...(ca === null ? {} : { ca: ca.text }),
    });
    writeIdentity(stateDir, identity);
    log.info({ agent: identity.name, hub: url }, 'enrolled with the hub; the enrolment token is used up');
  }
  const authority = ca === null ? null : followAuthority(ca, clock, log);
  if (authority !== null) stops.push(async () => authority.close());
  return {
    hubUrl: url,
    linkUrl: url,
    name: identity.name,
    hubKey: identity.hubKey,
    key,
    trust: authority === null ? () => null : () => ({ ca: authority.current(), exact: false }),
    demands: null,
    // That the event loop turns is all there is to say: the store is the hub's.
    alive: async () => {},
    first: async () => ({ bootstrapToken: null, firstLink: null }),
  };
}

/** The authority that this agent trusts for its hub, as often as its file changes. */
function followAuthority({ text, file }: CaConfig, clock: Clock, log: Log) {
  return followFiles({
    first: text,
    firstText: text,
    read() {
      const found = readCertificates(file);
      return found.ok ? { ...found, text: found.value } : found;
    },
    what: 'the authority of the hub (tls.ca)',
    // Said here and not at the next connection, at which it would be too late.
    renewed: (ca) => void createSecureContext({ ca }),
    clock,
    log,
  });
}

function enrolmentToken(path: string | null): string {
  const way = 'make a token with "holdpoint agents enroll NAME", and name its file with hub.enrolment_token_file';
  if (path === null) throw new HoldpointError('bad_config', `this agent has not enrolled with the hub yet: ${way}`);
  const reading = readSecretFile(path, path);
  if (reading.ok) return reading.value;
  throw new HoldpointError(
    'bad_config',
    `this agent has not enrolled with the hub yet, and hub.enrolment_token_file is no good (${reading.message}): ${way}`,
  );
}
