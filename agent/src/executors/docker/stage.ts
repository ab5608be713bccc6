import type Docker from 'dockerode';
import type { ExecutorCall, ExecutorResult } from '../../ports/executor.ts';
import { attach } from './attach.ts';
import { unlessMissing } from './engine.ts';
import { passFrames } from './frames.ts';
import type { DockerOptions } from './options.ts';

/** Exit code of a process that was killed. */
const KILLED = 137;

/** Asks every process of a running container to end, and ends them after a while. */
async function end(container: Docker.Container, graceMs: number): Promise<() => void> {
  const timer = setTimeout(() => void unlessMissing(container.kill()).catch(() => {}), graceMs);
  try {
    // The engine itself would ask the first process alone, which as the first of its namespace need not listen.
    const ask = await container.exec({ Cmd: ['sh', '-c', 'kill -TERM -1'], AttachStdout: true, AttachStderr: true });
    (await ask.start({})).resume();
  } catch {
    // No shell any more, or it has ended: the kill that follows needs nothing of the container.
  }
  return () => clearTimeout(timer);
}

/**
 * Runs one script in a container that is started for it and has ended afterwards, and with its first process every other:
 * nothing that a stage leaves in the background lives on (T25).
 */
export async function runStage(
  { socket, graceMs }: Pick<DockerOptions, 'socket' | 'graceMs'>,
  container: Docker.Container,
  script: Uint8Array,
  { output, cancel }: ExecutorCall,
): Promise<ExecutorResult> {
  const before = await container.inspect();
  // An executor that was killed has left its stage running.
  if (before.State.Running) await unlessMissing(container.kill());
  if (cancel.aborted) return { kind: 'cancelled' };
  const stream = await attach(socket, container.id);
  const printed = passFrames(stream, output);
  // What breaks the stream is told by how the container has ended.
  const over = printed.catch(() => {});
  await container.start();
  let calm: Promise<() => void> | null = null;
  const stop = () => {
    calm ??= end(container, graceMs);
  };
  if (cancel.aborted) stop();
  else cancel.addEventListener('abort', stop, { once: true });
  stream.on('error', () => {});
  stream.end(script);
  const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
  await over;
  cancel.removeEventListener('abort', stop);
  if (calm !== null) {
    const clear = await (calm as Promise<() => void>);
    clear();
  }
  if (cancel.aborted) return { kind: 'cancelled' };
  const { State: state } = await container.inspect();
  if (state.OOMKilled) {
    await output.err(
      Buffer.from('holdpoint: the container was ended: it needed more memory than docker.memory allows\n'),
    );
    return { kind: 'exited', code: code === 0 ? KILLED : code };
  }
  return { kind: 'exited', code };
}
