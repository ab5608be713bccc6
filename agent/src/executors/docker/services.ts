import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ExecutorCall, ExecutorSession, WantedService } from '../../ports/executor.ts';
import { serviceHost } from './confine.ts';
import { engineWords } from './engine.ts';
import { passFrames } from './frames.ts';
import { type FoundImage, haveImage } from './images.ts';
import { labelsOf, nameOf } from './labels.ts';
import { listeningPorts } from './listening.ts';
import type { DockerOptions } from './options.ts';

const LOOK_MS = 250;
const CONNECT_MS = 1_000;
/** Lines of a service that did not come up, in the job log. */
const TAIL = 100;

interface Started {
  readonly service: WantedService;
  readonly image: FoundImage;
  readonly container: Docker.Container;
}

async function start(
  engine: Docker,
  session: ExecutorSession,
  index: number,
  network: string,
  options: DockerOptions,
  call: ExecutorCall,
): Promise<Started> {
  const service = session.job.services[index]!;
  const image = await haveImage(engine, service, session.images[service.reference], options, session.job, call);
  const container = await engine.createContainer({
    name: nameOf(session.id, 'service', index),
    Image: image.id,
    Labels: labelsOf(session, 'service'),
    ...(service.platform === null ? {} : { platform: service.platform }),
    ...(service.user === null ? {} : { User: service.user }),
    ...(service.entrypoint === null
      ? {}
      : { Entrypoint: service.entrypoint.length === 0 ? [''] : [...service.entrypoint] }),
    ...(service.command === null ? {} : { Cmd: [...service.command] }),
    Env: Object.entries(service.variables).map(([key, value]) => `${key}=${value}`),
    HostConfig: serviceHost(options, network),
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [...service.aliases] } } },
  });
  await container.start();
  return { service, image, container };
}

/** True when somebody listens: tried from the host, where the process of the container cannot be looked at. */
function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => done(true));
    socket.on('timeout', () => done(false));
    socket.on('error', () => done(false));
  });
}

interface Look {
  readonly ready: boolean;
  readonly why: string;
  /** True where it is of no use to look again. */
  readonly over: boolean;
}

const READY: Look = { ready: true, why: '', over: true };
const ended = ({ ExitCode: code }: { ExitCode: number }): Look => ({
  ready: false,
  why: `it has ended with ${code}`,
  over: true,
});

/** Whether a service is up; else why not yet. */
async function look({ container, image }: Started): Promise<Look> {
  const { State: state, NetworkSettings: net } = await container.inspect();
  if (!state.Running) return ended(state);
  if (image.hasHealthCheck) {
    const health = state.Health?.Status ?? 'starting';
    return { ready: health === 'healthy', why: `its health check says ${health}`, over: health === 'unhealthy' };
  }
  if (image.exposedPorts.length === 0) return READY;
  const wanted = image.exposedPorts;
  const not: Look = { ready: false, why: `nobody listens on its ports ${wanted.join(', ')}`, over: false };
  // Read, not tried: the way from here to a job's network may be closed by rules of the host, or lead somewhere else.
  const ports = listeningPorts(container.id, state.Pid);
  if (ports !== null) return wanted.some((port) => ports.has(port)) ? READY : not;
  // It may have ended since: its address is nobody's then, or somebody else's.
  const { State: now } = await container.inspect();
  if (!now.Running) return ended(now);
  const address = Object.values(net.Networks)[0]?.IPAddress ?? '';
  for (const port of wanted) if (address !== '' && (await accepts(address, port))) return READY;
  return not;
}

/** The last lines of a service. */
export async function serviceLog(container: Docker.Container, call: ExecutorCall, tail = TAIL): Promise<void> {
  try {
    const text = await container.logs({ stdout: true, stderr: true, tail, follow: false });
    await passFrames([text as unknown as Buffer] as unknown as AsyncIterable<Uint8Array>, {
      out: call.output.err,
      err: call.output.err,
    });
  } catch (error) {
    await call.output.err(Buffer.from(`holdpoint: its log cannot be had: ${engineWords(error)}\n`));
  }
}

/** Waits as GitLab does: a service that does not come up is told with its log, and the job goes on. */
async function waitFor(started: Started, options: DockerOptions, call: ExecutorCall): Promise<void> {
  const end = performance.now() + options.serviceWaitMs;
  const { reference } = started.service;
  for (;;) {
    const { ready, why, over } = await look(started);
    if (ready || call.cancel.aborted) return;
    if (over || performance.now() > end) {
      await call.output.err(Buffer.from(`holdpoint: service ${reference} may not have started: ${why}; its log:\n`));
      return serviceLog(started.container, call);
    }
    await pause(LOOK_MS);
  }
}

/** Starts the services of a job, each on the job's network under its aliases, and waits for them. */
export async function startServices(
  engine: Docker,
  session: ExecutorSession,
  network: string,
  options: DockerOptions,
  call: ExecutorCall,
): Promise<void> {
  const started: Started[] = [];
  for (let index = 0; index < session.job.services.length && !call.cancel.aborted; index++)
    started.push(await start(engine, session, index, network, options, call));
  await Promise.all(started.map((each) => waitFor(each, options, call)));
}
