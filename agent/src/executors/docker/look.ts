import Docker from 'dockerode';
import type { EngineLook } from '../../domain/doctor/executor-look.ts';
import { isMissing } from './engine.ts';

const CALL_MS = 5_000;

/** Whether an engine answers at its socket, and which of these images it does not have. */
export async function lookAtEngine(socketPath: string, images: readonly string[]): Promise<EngineLook> {
  const engine = new Docker({ socketPath, timeout: CALL_MS });
  try {
    await engine.ping();
    const absent: string[] = [];
    for (const image of images) {
      try {
        await engine.getImage(image).inspect();
      } catch (error) {
        if (!isMissing(error)) throw error;
        absent.push(image);
      }
    }
    return { outcome: 'answers', absent };
  } catch (error) {
    const { code } = error as { code?: string };
    return code === 'EACCES' ? { outcome: 'closed' } : { outcome: 'away', why: code ?? 'no answer' };
  }
}
