import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ExecutorCall, ExecutorSession, WantedService } from '../../ports/executor.ts';
import { serviceHost } from './confine.ts';
import { engineWords } from './engine.ts';
import { passFrames } from './frames.ts';
import { type FoundImage, haveImage } from './images.ts';
import { labelsOf, nameOf } from './labels.ts';
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

/** True when somebody listens: asked from the host, which reaches the network of a job unless the engine is rootless. */
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

/** `ready`; else why not yet, and whether it is of use to look again. */
async function look({ container, image }: Started): Promise<{ ready: boolean; why: string; over: boolean }> {
  const { State: state, NetworkSettings: net } = await container.inspect();
  if (!state.Running) return { ready: false, why: `it has ended with ${state.ExitCode}`, over: true };
  if (image.hasHealthCheck) {
    const health = state.Health?.Status ?? 'starting';
    return { ready: health === 'healthy', why: `its health check says ${health}`, over: health === 'unhealthy' };
  }
  if (image.exposedPorts.length === 0) return { ready: true, why: '', over: true };
  const address = Object.values(net.Networks)[0]?.IPAddress ?? '';
  for (const port of image.exposedPorts)
    if (address !== '' && (await accepts(address, port))) return { ready: true, why: '', over: true };
  return { ready: false, why: `nobody listens on its ports ${image.exposedPorts.join(', ')}`, over: false };
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
