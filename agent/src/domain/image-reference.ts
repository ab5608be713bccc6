/** What a reference of an image names, as Docker reads it. */
export interface ImageReference {
  /** Host, with a port or without; `docker.io` where the reference has none. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  /** `sha256:` and 64 hex digits; null where the name alone says what is meant. */
  readonly digest: string | null;
}

const HOST =
  /^(?:localhost|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const MAX_CHARACTERS = 500;

/** Reads a reference; null for a text that is none. */
export function readReference(text: string): ImageReference | null {
  if (text.length > MAX_CHARACTERS) return null;
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))) return null;
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const [name, tag] = hasTag ? [named.slice(0, colon), named.slice(colon + 1)] : [named, 'latest'];
  if (!TAG.test(tag)) return null;
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const registry = isHost ? first.toLowerCase() : 'docker.io';
  const path = isHost ? rest.join('/') : name;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (!REPOSITORY.test(repository) || !HOST.test(registry)) return null;
  return { registry, repository, tag, digest: digest ?? null };
}

/** Who may pull below a registry, or a path of one. */
export interface RegistryLogin {
  /** Host in small letters, with a path where the login is for a part of it. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/** The login for an image: the one for most of its path, of equal ones the first; null for none. */
export function loginFor(logins: readonly RegistryLogin[], image: ImageReference): RegistryLogin | null {
  const whole = `${image.registry}/${image.repository}`;
  const fitting = logins.filter(({ registry }) => registry === image.registry || whole.startsWith(`${registry}/`));
  return fitting.reduce<RegistryLogin | null>(
    (best, each) => (best === null || each.registry.length > best.registry.length ? each : best),
    null,
  );
}
