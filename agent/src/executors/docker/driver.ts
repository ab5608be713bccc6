import type Docker from 'dockerode';
import type {
  ExecutorCall,
  ExecutorDriver,
  ExecutorResult,
  ExecutorSession,
  ExecutorStage,
  WantedImage,
} from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import { guardedPaths, holderHost, jobHost } from './confine.ts';
import { engineAt, engineWords, isMissing } from './engine.ts';
import { passFrames } from './frames.ts';
import { type FoundImage, haveImage } from './images.ts';
import { labelsOf, nameOf } from './labels.ts';
import type { DockerOptions } from './options.ts';
import { serviceLog, startServices } from './services.ts';
import { runStage } from './stage.ts';
import { removeSession, sweepSessions } from './sweep.ts';

/** Stages that people have written; every other is gitlab-runner's own and needs git and gitlab-runner. */
const OF_THE_JOB = /^(step_.*|build_script|after_script)$/;

/** The best shell of an image, as gitlab-runner itself looks for it; it reads the stage's script. */
const SHELL =
  'for shell in /usr/local/bin/bash /usr/bin/bash /bin/bash; do if [ -x $shell ]; then exec $shell; fi; done; exec sh';

/** What an image has looked at from time to time runs beside and between the stages of its job: nothing of it may (T25). */
const NO_CHECKS = { Test: ['NONE'] };

const failure = (words: string): ExecutorResult => ({ kind: 'system_failure', words });

/** Runs the stages of a job in containers of an engine that speaks Docker's API, through its unix socket. */
export function dockerDriver(options: DockerOptions, guarded: readonly string[]): ExecutorDriver {
  const engine = engineAt(options.socket);
  const hidden = guardedPaths(options, guarded);
  const told = async (work: () => Promise<ExecutorResult>, cancel: AbortSignal): Promise<ExecutorResult> => {
    try {
      return await work();
    } catch (error) {
      return cancel.aborted ? { kind: 'cancelled' } : failure(engineWords(error));
    }
  };
  return {
    name: 'docker',
    version: options.version,
    places: () => ({ buildsDir: options.buildsDir, cacheDir: options.cacheDir, shared: false }),
    prepare: (session, call) =>
      told(async () => {
        await removeSession(engine, session.id);
        await prepare(engine, session, options, hidden, call);
        return call.cancel.aborted ? { kind: 'cancelled' } : { kind: 'exited', code: 0 };
      }, call.cancel),
    run: (session, stage, call) => told(() => run(engine, session, stage, options, call), call.cancel),
    cleanup: (session) => inWords(() => removeSession(engine, session)),
    sweep: (isOver) => inWords(() => sweepSessions(engine, isOver)),
  };
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ExecutorFailure(engineWords(error), { cause: error });
  }
}

/** Volumes of a job: its working copy, and the cache where there is one. */
async function makeVolumes(
  engine: Docker,
  session: ExecutorSession,
  options: DockerOptions,
): Promise<readonly string[]> {
  const size = options.buildsBytes;
  const builds = nameOf(session.id, 'builds');
  await engine.createVolume({
    Name: builds,
    Labels: labelsOf(session, 'builds'),
    ...(size === null ? {} : { DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `size=${size},nosuid,nodev` } }),
  });
  // nocopy: an empty volume would take over owner and mode that the image's folder has.
  if (options.cache === 'none') return [`${builds}:${options.buildsDir}:nocopy`];
  // Apart by protection, else a job of any branch would put into the cache what a deploy takes out of it.
  const { projectId, protectedRef } = session.job;
  const cache = `holdpoint-cache-${projectId}-${protectedRef ? 'protected' : 'unprotected'}`;
  return [`${builds}:${options.buildsDir}:nocopy`, `${cache}:${options.cacheDir}:nocopy`];
}

async function prepare(
  engine: Docker,
  session: ExecutorSession,
  options: DockerOptions,
  hidden: readonly string[],
  call: ExecutorCall,
): Promise<void> {
  const { job, images } = session;
  const wanted: WantedImage | null = job.image ?? plainImage(options.image);
  if (wanted === null)
    throw new ExecutorFailure('the job names no image, and docker.image names none for such jobs; set one of the two');
  if (options.network === 'none' && job.services.length > 0)
    throw new ExecutorFailure('the job has services, and docker.network is none; set it to internal or job');
  const image = await haveImage(engine, wanted, images[wanted.reference], options, job, call);
  const helperWanted = plainImage(options.helperImage);
  const helper = helperWanted === null ? null : await haveImage(engine, helperWanted, undefined, options, job, call);
  if (call.cancel.aborted) return;

  const network = options.network === 'none' ? 'none' : nameOf(session.id, 'network');
  if (options.network !== 'none')
    await engine.createNetwork({
      Name: network,
      Driver: 'bridge',
      Internal: options.network === 'internal',
      Labels: labelsOf(session, 'network'),
    });
  const volumes = await makeVolumes(engine, session, options);
  const holder = await startHolder(engine, session, image, volumes, network, options);
  await startServices(engine, session, network, options, call);
  if (call.cancel.aborted) return;

  const host = jobHost(options, job, { volumes, inNetworkOf: holder.id }, hidden);
  const stages = {
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Cmd: ['sh', '-c', SHELL],
    WorkingDir: options.buildsDir,
    Healthcheck: NO_CHECKS,
    HostConfig: host,
  };
  const user = options.user ?? wanted.user;
  if (helper !== null)
    await engine.createContainer({
      ...stages,
      name: nameOf(session.id, 'helper'),
      Image: helper.id,
      Labels: labelsOf(session, 'helper'),
      Entrypoint: [''],
      User: user === null || !/^\d+(:\d+)?$/.test(user) ? await userOf(holder, user ?? image.user) : user,
    });
  // Made last: a session that has it is complete.
  await engine.createContainer({
    ...stages,
    name: nameOf(session.id, 'job'),
    Image: image.id,
    Labels: labelsOf(session, 'job'),
    ...(wanted.platform === null ? {} : { platform: wanted.platform }),
    ...(wanted.entrypoint === null
      ? {}
      : { Entrypoint: wanted.entrypoint.length === 0 ? [''] : [...wanted.entrypoint] }),
    ...(user === null ? {} : { User: user }),
  });
}

function plainImage(reference: string | null): WantedImage | null {
  return reference === null ? null : { reference, entrypoint: null, user: null, platform: null, pullPolicies: [] };
}

/**
 * Keeps the network and the volumes of a session between its stages: a container that waits for a line which never comes.
 * It is root without any capability, and lets the job's user write to the working copy.
 */
async function startHolder(
  engine: Docker,
  session: ExecutorSession,
  image: FoundImage,
  volumes: readonly string[],
  network: string,
  options: DockerOptions,
): Promise<Docker.Container> {
  const holder = await engine.createContainer({
    name: nameOf(session.id, 'holder'),
    Image: image.id,
    Labels: labelsOf(session, 'holder'),
    Hostname: `job-${session.job.id}`,
    User: '0:0',
    Entrypoint: ['sh', '-c', 'read -r line'],
    Cmd: [],
    Healthcheck: NO_CHECKS,
    OpenStdin: true,
    HostConfig: holderHost(options, volumes, network),
  });
  await holder.start();
  const places = volumes.map((volume) => volume.split(':')[1]!);
  const opened = await inside(holder, ['chmod', '1777', ...places]);
  if (opened.code !== 0)
    throw new ExecutorFailure(
      `the working copy cannot be made writable for the job: ${opened.text.trim() || `chmod ended with ${opened.code}`}`,
    );
  return holder;
}

/** Runs a command in a container and gives what it printed. */
async function inside(
  container: Docker.Container,
  command: readonly string[],
): Promise<{ code: number; text: string }> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  let text = '';
  const gather = async (chunk: Uint8Array) => {
    text += Buffer.from(chunk).toString();
  };
  await passFrames(await exec.start({}), { out: gather, err: gather });
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, text };
}

/** Numbers of the user that a job runs as, so that the helper, whose image knows other names, writes as the same. */
async function userOf(holder: Docker.Container, named: string): Promise<string> {
  if (named === '' || /^\d+(:\d+)?$/.test(named)) return named === '' ? '0:0' : named;
  const [user = ''] = named.split(':');
  const { code, text } = await inside(holder, ['sh', '-c', 'id -u "$0" && id -g "$0"', user]);
  const [uid = '', gid = ''] = text.trim().split(/\s+/);
  if (code === 0 && /^\d+$/.test(uid) && /^\d+$/.test(gid)) return `${uid}:${gid}`;
  throw new ExecutorFailure(
    `the image does not know its own user ${JSON.stringify(named)}; set docker.user to numbers like 1000:1000`,
  );
}

async function run(
  engine: Docker,
  { id, job }: ExecutorSession,
  stage: ExecutorStage,
  options: DockerOptions,
  call: ExecutorCall,
): Promise<ExecutorResult> {
  const own = OF_THE_JOB.test(stage.name) || options.helperImage === null;
  const container = engine.getContainer(nameOf(id, own ? 'job' : 'helper'));
  try {
    await container.inspect();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return failure(`job ${job.id} was not prepared on this host`);
  }
  const result = await runStage(options, container, stage.script, call);
  if (job.debugServices && OF_THE_JOB.test(stage.name) && stage.name !== 'after_script')
    for (const [index, service] of job.services.entries()) {
      await call.output.err(Buffer.from(`holdpoint: log of service ${service.reference}:\n`));
      await serviceLog(engine.getContainer(nameOf(id, 'service', index)), call, 10_000);
    }
  return result;
}
