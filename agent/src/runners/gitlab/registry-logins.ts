import type { RegistryLogin } from '../../domain/image-reference.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { expansionOf } from './runner-expansion.ts';

/** Names under which Docker's own registry is written in files of logins. */
const DOCKER_HUB = new Set(['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);
/** A file with more is none that people wrote; each is looked at for each image. */
const MAX_LOGINS = 200;

const list = (value: Json | undefined): readonly Json[] => (isJsonList(value) ? value : []);

/** The place that a login is for; its version of the API is no path, and an address with `https://` is its host alone. */
function placeOf(url: string): string {
  const bare = url.replace(/^https?:\/\//i, '');
  const [host = '', ...path] = bare.split('/');
  const name = host.toLowerCase();
  const rest = bare === url ? path.join('/').replace(/\/+$/, '') : '';
  const registry = DOCKER_HUB.has(name) ? 'docker.io' : name;
  return rest === '' || /^v[12]$/.test(rest) ? registry : `${registry}/${rest}`;
}

function inAuthConfig(text: string): readonly RegistryLogin[] {
  let json: Json;
  try {
    json = JSON.parse(text);
  } catch {
    return [];
  }
  const auths = isJsonObject(json) && isJsonObject(json.auths) ? json.auths : {};
  return Object.entries(auths)
    .slice(0, MAX_LOGINS)
    .flatMap(([url, entry]) => {
      if (!isJsonObject(entry)) return [];
      const { auth = '', username, password } = entry;
      // Docker's own reader takes `auth` where both stand.
      if (auth === '' && typeof username === 'string' && typeof password === 'string' && username !== '')
        return [{ registry: placeOf(url), username, password }];
      const [user = '', ...rest] = Buffer.from(typeof auth === 'string' ? auth : '', 'base64')
        .toString()
        .split(':');
      // Docker pads the password of old files with zeros.
      return user === '' || rest.length === 0
        ? []
        : [{ registry: placeOf(url), username: user, password: rest.join(':').replace(/\0+$/, '') }];
    });
}

/**
 * Who may pull where for a job: the variable DOCKER_AUTH_CONFIG first, then what GitLab sends, as gitlab-runner looks. What it
 * reads in between, the host's own config.json, would lend the host's rights to whoever writes a job, and programs that the
 * variable names (credsStore, credHelpers) would be chosen by them: neither is done here (T25).
 */
export function registryLogins(payload: JsonObject): readonly RegistryLogin[] {
  const own = list(payload.variables).findLast((each) => isJsonObject(each) && each.key === 'DOCKER_AUTH_CONFIG');
  const value = isJsonObject(own) && typeof own.value === 'string' ? own.value : '';
  const filled = isJsonObject(own) && own.raw === true ? null : expansionOf(payload).filled(value);
  const text = filled !== null && 'text' in filled ? filled.text : value;
  const sent = list(payload.credentials).flatMap((credential) => {
    if (!isJsonObject(credential) || credential.type !== 'registry') return [];
    const { url, username, password } = credential;
    if (typeof url !== 'string' || typeof username !== 'string' || typeof password !== 'string') return [];
    return [{ registry: placeOf(url), username, password }];
  });
  return [...inAuthConfig(text), ...sent];
}
