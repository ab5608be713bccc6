import Docker from 'dockerode';
import type { Registries } from '../../ports/registry.ts';
import { isMissing } from './engine.ts';

/** A runner's poll waits for it, as for a registry. */
const CALL_MS = 8_000;

/**
 * Registries, and behind them an engine of the host, for images that are built there: asked where the policy does not name the
 * registry of an image. What it says is the id of the content, by which the driver docker runs the image.
 */
export function localImages(socketPath: string, registries: Registries): Registries {
  const engine = new Docker({ socketPath, timeout: CALL_MS });
  return {
    async resolve(question) {
      const { image, allowed } = question;
      // Never beside a registry that may be asked: an old copy of the host must not stand for what it says, nor for its no (T5).
      if (allowed.includes(image.registry)) return registries.resolve(question);
      try {
        const { Id: id } = await engine.getImage(`${image.registry}/${image.repository}:${image.tag}`).inspect();
        const digest = id.startsWith('sha256:') ? id : `sha256:${id}`;
        if (/^sha256:[0-9a-f]{64}$/.test(digest)) return { ok: true, digest };
        return { ok: false, retry: false, reason: 'the container engine of the host names no content of it' };
      } catch (error) {
        return isMissing(error)
          ? {
              ok: false,
              retry: false,
              reason: `the policy does not name ${image.registry} under registries, and it is not on the host`,
            }
          : { ok: false, retry: true, reason: 'the container engine of the host could not be asked' };
      }
    },
    close: () => registries.close(),
  };
}
