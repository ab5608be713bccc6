import type Docker from 'dockerode';
import { loginFor, readReference } from '../../domain/image-reference.ts';
import type { ExecutorCall, ExecutorJob, WantedImage } from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import { engineWords, isMissing } from './engine.ts';
import type { DockerOptions, PullPolicy } from './options.ts';

/** An image as it is on this host. */
export interface FoundImage {
  /** Id of its content (`sha256:…`): what containers are made from, so that a tag which moves meanwhile changes nothing. */
  readonly id: string;
  readonly user: string;
  readonly exposedPorts: readonly number[];
  readonly hasHealthCheck: boolean;
}

/** The name of a reference without tag and digest. */
function repositoryOf(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

/** Without a tag the engine would fetch all of them. */
function tagged(reference: string): string {
  return reference.includes('@') || /:[^/:]*$/.test(reference) ? reference : `${reference}:latest`;
}

async function inspect(
  engine: Docker,
  name: string,
): Promise<(FoundImage & { repoDigests: readonly string[] }) | null> {
  try {
    const found = await engine.getImage(name).inspect();
    const config = found.Config as {
      User?: string;
      ExposedPorts?: object | null;
      Healthcheck?: { Test?: string[] } | null;
    };
    // OCI: a port without a protocol is one of TCP; Podman writes it so.
    const ports = Object.keys(config?.ExposedPorts ?? {}).filter((port) => /^\d+(\/tcp)?$/.test(port));
    return {
      id: found.Id.startsWith('sha256:') ? found.Id : `sha256:${found.Id}`,
      user: config?.User ?? '',
      exposedPorts: ports.map((port) => Number.parseInt(port, 10)),
      hasHealthCheck: (config?.Healthcheck?.Test?.[0] ?? 'NONE') !== 'NONE',
      repoDigests: found.RepoDigests ?? [],
    };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function pull(
  engine: Docker,
  reference: string,
  platform: string | null,
  registries: ExecutorJob['registries'],
  cancel: AbortSignal,
): Promise<void> {
  const image = readReference(reference);
  const login = image === null ? null : loginFor(registries, image);
  const authconfig = login && { username: login.username, password: login.password, serveraddress: image?.registry };
  const stream = await engine.pull(reference, {
    ...(platform === null ? {} : { platform }),
    ...(authconfig === null ? {} : { authconfig }),
  });
  const stop = () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
  cancel.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      engine.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
      stream.on('close', () => resolve());
    });
  } finally {
    cancel.removeEventListener('abort', stop);
  }
}

/** The policies that count for an image: what the job asks for if all of it is allowed, else what the configuration says. */
function policies(wanted: WantedImage, options: DockerOptions): readonly PullPolicy[] {
  const asked = wanted.pullPolicies;
  if (asked.length === 0) return [options.pull];
  const refused = asked.find((policy) => !options.allowedPull.includes(policy as PullPolicy));
  if (refused !== undefined)
    throw new ExecutorFailure(
      `the job asks for pull policy ${refused} of ${wanted.reference}; this runner allows ${options.allowedPull.join(', ')} (docker.allowed_pull)`,
    );
  return asked as readonly PullPolicy[];
}

/** Has the image that a job may run on this host; by its digest where one was approved, whatever its tag says now. */
export async function haveImage(
  engine: Docker,
  wanted: WantedImage,
  digest: string | undefined,
  options: DockerOptions,
  job: ExecutorJob,
  { output, cancel }: ExecutorCall,
): Promise<FoundImage> {
  const { reference, platform } = wanted;
  const say = (line: string) => output.err(Buffer.from(`holdpoint: ${line}\n`));
  const name = digest === undefined ? tagged(reference) : `${repositoryOf(reference)}@${digest}`;
  const find = async (): Promise<FoundImage | null> => {
    const found = await inspect(engine, name);
    if (found !== null || digest === undefined) return found;
    // An image that was built or loaded here has no digest of a registry; its own id says the same.
    const byId = await inspect(engine, digest);
    return byId?.id === digest ? byId : null;
  };
  let why = '';
  for (const policy of policies(wanted, options)) {
    const here = policy === 'always' && digest === undefined ? null : await find();
    if (here !== null) {
      await say(`image ${name}, content ${here.id}`);
      return here;
    }
    if (policy === 'never') {
      why = 'it is not on this host, and pull policy "never" fetches nothing';
      continue;
    }
    try {
      await say(`fetching image ${name}`);
      await pull(engine, name, platform, job.registries, cancel);
    } catch (error) {
      why = engineWords(error);
      continue;
    }
    const fetched = await find();
    if (fetched !== null) {
      await say(`image ${name}, content ${fetched.id}`);
      return fetched;
    }
    why = 'it was fetched and is not there';
  }
  throw new ExecutorFailure(`image ${name} cannot be had: ${why}`);
}
