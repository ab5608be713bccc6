import { randomBytes } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { hostname } from 'node:os';
import { createSecureContext, type SecureContext, type Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { overdueGlasses } from '../app/break-glass.ts';
import type { AuditKeeper } from '../app/checkpoint.ts';
import { type GitlabTokenSource, gitlabTokens } from '../app/gitlab-tokens.ts';
import { resolvePolicy } from '../app/governing.ts';
import type { HubContext } from '../app/hub-context.ts';
import { issueBootstrapToken } from '../app/issue-token.ts';
import { measuredStore } from '../app/measured-store.ts';
import { silentTracer } from '../app/silent.ts';
import { steadyClock } from '../app/steady-clock.ts';
import { verifyApprovals } from '../app/verify-approvals.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Policy } from '../domain/policy.ts';
import { variableTag } from '../domain/variable-tag.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Clock } from '../ports/clock.ts';
import type { Directory } from '../ports/directory.ts';
import type { Hints } from '../ports/hints.ts';
import type { IdentityProvider } from '../ports/identity-provider.ts';
import type { Log } from '../ports/log.ts';
import type { PolicyStatus } from '../ports/policy-status.ts';
import type { Seal } from '../ports/seal.ts';
import type { Store } from '../ports/store.ts';
import type { Tracer } from '../ports/tracer.ts';
import { createAttendance } from './attendance.ts';
import { keepAudit } from './audit-keeping.ts';
import { openAutoApprovals } from './auto-approval.ts';
import { type FarHubs, joinHubs } from './between/far-hubs.ts';
import { logDecision } from './decision-log.ts';
import { openDetached } from './detached.ts';
import { whatFallsDue } from './due.ts';
import type { KnownAgent } from './link-auth.ts';
import { createLinkServer } from './link-server.ts';
import { createLogs } from './logs.ts';
import { createMetrics } from './metrics.ts';
import { type NotifyOptions, openNotifications } from './notifications.ts';
import { joinOtherHubs } from './other-hubs.ts';
import { peersOf } from './proxies.ts';
import { createReach } from './reach.ts';
import { recent } from './recent.ts';
import { openRetention } from './retention.ts';
import type { Route } from './route.ts';
import { routes } from './routes.ts';
import { buildServer } from './server.ts';
import { createSignIn } from './sign-in.ts';
import { createSnapshots, type OfflineGrace } from './snapshots.ts';
import { v4Routes } from './v4/routes.ts';
import { createViewers, refuse } from './viewers.ts';
import { lookAfterWatching } from './watching.ts';
import { webauthn } from './webauthn.ts';
import { writeProbe } from './write-probe.ts';

/** What a hub is made of. */
export interface HubOptions {
  readonly store: Store;
  readonly directory: Directory;
  /** Asked at every decision, so that a changed policy holds at once. */
  readonly policy: () => Policy;
  /** Where it comes from, and whether its file can be read as it is now. */
  readonly policyStatus?: () => PolicyStatus;
  /** 32 bytes; given to agents that have proved who they are. */
  readonly variableKey: Uint8Array;
  /** What signs the audit. */
  readonly audit: AuditKeeper;
  /** Seals what is recorded of jobs; without it nothing is. */
  readonly seal?: Seal;
  /** Origin in links for people; default: `http://` and where it listens. */
  readonly externalUrl?: string;
  /** Agents of this process: name and raw Ed25519 public key of 32 bytes. Any other has to enrol. */
  readonly agents: readonly KnownAgent[];
  /** Names of those that run in this process: `/readyz` speaks for them too. */
  readonly local?: readonly string[];
  /** Seconds since the last backup of the state; null where none is known. */
  readonly backupAge?: () => number | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Version of the program, for the API document. */
  readonly version: string;
  /** Origin of the GitLab that people know, for links to its users and projects; absent: the hub's own. */
  readonly gitlabUrl?: string;
  /** Folder of the built page; without it people have the command line. */
  readonly page?: string | null;
  /** The CI server's interface for people, for retries and commit statuses; without it people retry by themselves. */
  readonly ci?: {
    readonly api: CiApi;
    readonly botToken: () => string | null;
    /** Every token of GitLab's that the operator gave, to be shown as GitLab has it. */
    readonly tokens?: readonly GitlabTokenSource[];
  };
  /** Where people sign in, and ids of those who then administer the hub; without it they sign in with tokens. */
  readonly identity?: { readonly provider: IdentityProvider; readonly admins: readonly number[] };
  /** Certificate and key, PEM; without them plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | null;
  /** Why the renewed certificate cannot be used; null while the newest is in use. */
  readonly tlsProblem?: () => string | null;
  /** Addresses and networks of proxies whose word on where a request comes from is believed. */
  readonly trustedProxies?: readonly string[];
  /** Agents of other machines are served without TLS, too. */
  readonly plainHttp?: boolean;
  /** The way to the other hubs on this store; absent: there is none. */
  readonly hints?: Hints;
  /** Where spans go; nowhere where absent. */
  readonly tracer?: Tracer;
  /** Where metrics are registered; a registry of the hub's own where absent. */
  readonly registry?: Registry;
  /** Channels that people and programs are told things through; without it nobody is. */
  readonly notify?: NotifyOptions;
  /** How long agents may do without this hub; default: an hour on protected refs, a day elsewhere. */
  readonly offlineGrace?: OfflineGrace;
  /** How often agents and viewers are pinged; default 15,000. Two misses close the link. */
  readonly heartbeatMs?: number;
  /** Connections at the same time, of everybody; default: those of a hub beside a gateway. */
  readonly maxConnections?: number;
}

/** A running hub. */
export interface Hub {
  /**
   * Port 0 takes a free one; `fd` is a socket that is open already. Rejects with `bad_config` when the address cannot be taken.
   * Resolves with where it really listens.
   */
  listen(host: string, port: number, fd?: number): Promise<{ readonly host: string; readonly port: number }>;
  /** Serves another certificate from here on; connections that stand go on. Throws for a pair that TLS does not take. */
  renewTls(tls: { readonly cert: string; readonly key: string }): void;
  close(): Promise<void>;
  /** Text of the one-time bootstrap token, once: null when asked again or when the store has a token already. */
  bootstrapToken(): Promise<string | null>;
}

/** A proxy in between drops silent connections after 60 s or later. */
const HEARTBEAT_MS = 15_000;
const HOUR_MS = 3_600_000;
/** Counts of the store are asked for this often at most, however often somebody scrapes. */
const LOOK_MS = 1_000;
/** Answers that are on their way when the hub stops have this long, and whoever has connected and not yet asked. */
const CLOSE_MS = 5_000;
/** Agents, viewers and people of a large house; more would take the descriptors that a gateway beside it needs (T30). */
export const MAX_CONNECTIONS_BESIDE = 1_500;
/** Of a hub by itself: its unit allows 20,000 descriptors, and the store, files and requests to GitLab need some. */
export const MAX_CONNECTIONS_ALONE = 15_000;

/** The hub: HTTP API, viewers' events and the agents' link over one listening port. The store stays the caller's to close. */
export function createHub(options: HubOptions): Hub {
  const { directory, policy, log, variableKey } = options;
  const metrics = createMetrics(options.registry);
  const store = measuredStore(options.store, {
    took: metrics.took,
    audited(entry) {
      metrics.audited(entry);
      logDecision(log, entry);
    },
  });
  const clock = steadyClock(options.clock, log);
  if (variableKey.length !== 32)
    throw new HoldpointError('bad_config', `the variable key has ${variableKey.length} bytes, it must have 32`);
  const heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
  const tls = options.tls ?? null;
  const scheme = tls === null ? 'http' : 'https';
  const peers = peersOf(options.trustedProxies ?? []);
  const plainHttp = options.plainHttp ?? false;
  const maxConnections = options.maxConnections ?? MAX_CONNECTIONS_BESIDE;
  let listening = `${scheme}://127.0.0.1`;
  const context: HubContext = {
    store,
    directory,
    policy() {
      const inForce = policy();
      audit.policyIs(inForce.version);
      return resolvePolicy(directory, inForce);
    },
    ...(options.policyStatus && { policyStatus: options.policyStatus }),
    clock,
    externalUrl: () => (options.externalUrl ?? listening).replace(/\/+$/, ''),
    agentHosts: () => new Set([...link.addresses(), ...(far?.addresses() ?? [])]),
    tag: (projectId, name, text) => variableTag(variableKey, projectId, name, text),
    random: (bytes) => randomBytes(bytes),
    ...(options.seal && { seal: options.seal }),
    passkeys: webauthn(),
    push: {
      wake(agent, pushes) {
        link.wake(agent, pushes);
        options.hints?.publish({ wake: agent });
      },
      changed(event) {
        metrics.changed(event);
        detached.noticed(event);
        autoApprovals.noticed(event);
        notifications.noticed();
        snapshots.noticed(event);
        viewers.publish(event);
        options.hints?.publish({ changed: event });
      },
    },
  };
  const audit = keepAudit(context, options.audit, log);
  const reach = createReach(
    () => link,
    () => far,
  );
  const logs = createLogs(context, reach.watch);
  const attendance = createAttendance(context, log);
  const viewers = createViewers(context, heartbeatMs, log, logs, attendance, peers);
  const { signer } = options.audit;
  const tracer = options.tracer ?? silentTracer;
  const snapshots = createSnapshots({
    context,
    signer,
    grace: options.offlineGrace ?? { protectedMs: HOUR_MS, elsewhereMs: 24 * HOUR_MS },
    policyVersion: () => policy().version,
    log,
  });
  const link = createLinkServer({
    context,
    agents: options.agents,
    signer,
    variableKey,
    heartbeatMs,
    log,
    tracer,
    onPiece(agent, piece) {
      logs.take(agent, piece);
      far?.piece(agent, piece);
    },
    onReady(agent) {
      reach.rewatchAll(agent);
      far?.linked(agent);
    },
    onTold: (agent, what) => (what === 'examined' ? far?.examined(agent) : far?.linked(agent)),
    snapshots,
    local: options.local ?? [],
    maxConnections,
    peers,
    plainHttp,
  });
  const far: FarHubs | null = options.hints
    ? joinHubs(
        { hints: options.hints, signer, verify: options.audit.verify, clock, log: log.child({ part: 'hubs' }) },
        {
          agents: link.linked,
          agent: link.linkedAgent,
          lent: () => detached.lent(),
          reveal: link.reveal,
          watch: reach.rewatch,
          examine: (agent) => link.connectedSince(agent) !== null && link.examine(agent),
          takeBack: (person) => detached.takenBack(person),
          piece: logs.take,
          changed: () => viewers.publish({ type: 'agent', id: 0, state: 'connected', projectId: null }),
        },
      )
    : null;
  const writable = writeProbe(store, log);
  metrics.follow({
    agents: link.connected,
    tlsProblem: options.tlsProblem ?? (() => null),
    skew: () => greatest(link.linked().map(({ status }) => (status === null ? null : Math.abs(status.skewMs)))),
    snapshotAge: () =>
      greatest(link.linked().map(({ status }) => status?.snapshot && clock.now() - status.snapshot.heardAt)),
    viewers: viewers.count,
    policy: () => options.policyStatus?.() ?? null,
    overdue: recent(LOOK_MS, async () => (await overdueGlasses(context)).length),
    census: recent(LOOK_MS, () => store.census(clock.now())),
    writable,
    auditRows: recent(LOOK_MS, async () => (await store.auditHead()).seq),
    auditIntact: audit.intact,
    people: () => directory.problem(),
    now: () => clock.now(),
    outbox: () => notifications.figures(),
  });
  const autoApprovals = openAutoApprovals(context, options.ci ?? null, log);
  const retention = openRetention(context, log);
  const detached = openDetached(context, options.ci ?? null, far, log);
  const notifications = openNotifications(
    context,
    options.notify ?? { channels: [], senders: [] },
    options.ci ?? null,
    (agent) => reach.connected(agent)?.since ?? null,
    metrics.notification,
    log.child({ part: 'notifications' }),
  );
  const signIn =
    options.identity === undefined
      ? null
      : createSignIn({
          hub: context,
          provider: options.identity.provider,
          admins: options.identity.admins,
          retryNow: detached.retryNow,
          log,
        });
  const table: readonly Route[] = routes({
    hub: context,
    reach,
    links: link,
    detached,
    notifications,
    connectedSince: link.connectedSince,
    awaySince: link.awaySince,
    writable,
    backupAge: options.backupAge ?? (() => null),
    problems: link.problems,
    local: options.local ?? [],
    gitlabTokens:
      options.ci === undefined ? async () => [] : gitlabTokens(options.ci.api, options.ci.tokens ?? [], clock),
    keeper: options.audit,
    retention,
    signIn,
    metrics: metrics.text,
  });

  let app: FastifyInstance | null = null;
  let renewed: SecureContext | undefined;
  const sockets = new Set<Socket>();
  let asked = false;
  let checking: Promise<void> = Promise.resolve();
  /** Only ever asks more of a job, so it may act: an approval that the audit does not know is revoked (T28). */
  const checkApprovals = (): Promise<void> =>
    verifyApprovals(context)
      .then(
        (struck) => {
          for (const { approval, fault } of struck)
            log.error({ approval, fault }, `approval ${approval} was changed in the store: it is revoked`);
        },
        (error) => log.error({ error: String(error) }, 'the approvals could not be compared with the audit'),
      )
      .then(() => {});
  const others =
    options.hints &&
    joinOtherHubs({
      hints: options.hints,
      store,
      clock,
      log,
      wake: (agent) => link.wake(agent),
      changed(event) {
        detached.noticed(event);
        autoApprovals.noticed(event);
        snapshots.noticed(event);
        viewers.publish(event);
      },
      recheck: () => void link.cutStale(),
      missed: () => far?.beat(),
    });
  const due = whatFallsDue(context, log);
  const watching = lookAfterWatching(context, log);

  return {
    async listen(host, port, fd) {
      const server = await buildServer({
        context,
        routes: table,
        v4: v4Routes({ hub: context, gitlabUrl: options.gitlabUrl ?? null, log, version: options.version }),
        log,
        metrics,
        tracer,
        version: options.version,
        page: options.page ?? null,
        tls,
        renewed: () => renewed,
        peers,
        plainHttp,
      });
      app = server;
      server.server.maxConnections = maxConnections;
      // Node's own list leaves out who has not yet finished the handshake of TLS, for two minutes.
      server.server.on('connection', (socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      });
      server.server.on('upgrade', (request, socket, head) => {
        socket.on('error', () => socket.destroy());
        const path = request.url?.split('?')[0];
        if (path === '/api/v1/link') link.upgrade(request, socket, head);
        else if (path === '/api/v1/events') void viewers.upgrade(request, socket, head);
        else refuse(socket, new HoldpointError('not_found', 'no websocket is served here'));
      });
      try {
        // Node takes the descriptor before host and port; fastify opens sockets beside it for a host that is a name.
        await server.listen(fd === undefined ? { host, port } : ({ host: '127.0.0.1', port, fd } as { port: number }));
      } catch (cause) {
        const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
        throw new HoldpointError(
          'bad_config',
          `the hub cannot listen on ${host}:${port} (${code}): choose another address`,
          { cause },
        );
      }
      const { address, port: taken } = server.server.address() as AddressInfo;
      // An address that listens everywhere is no address for a link.
      const reached = host === '0.0.0.0' || host === '::' ? hostname() : host;
      const name = reached.includes(':') ? `[${reached}]` : reached;
      listening = `${scheme}://${name}:${taken}`;
      checking = audit.start().then(checkApprovals);
      due.start();
      watching.start();
      detached.start();
      retention.start();
      notifications.start();
      return { host: address, port: taken };
    },
    renewTls({ cert, key }) {
      // What it does not take is found out on a context that nobody uses.
      renewed = createSecureContext({ cert, key });
      (app?.server as TlsServer | undefined)?.setSecureContext({ cert, key });
    },
    async close() {
      await Promise.all([
        others?.close(),
        far?.close(),
        checking,
        due.close(),
        watching.close(),
        detached.close(),
        retention.close(),
        notifications.close(),
        autoApprovals.close(),
        signIn?.close(),
        snapshots.close(),
        link.close(),
        viewers.close(),
      ]);
      if (app !== null) {
        const cancel = clock.after(CLOSE_MS, () => {
          for (const socket of sockets) socket.destroy();
        });
        await app.close();
        cancel();
      }
      await audit.close();
    },
    async bootstrapToken() {
      if (asked) return null;
      asked = true;
      return (await issueBootstrapToken(context))?.text ?? null;
    },
  };
}

/** The greatest of what is known; null where nothing is. */
function greatest(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value) => value != null);
  return known.length === 0 ? null : Math.max(...known);
}
