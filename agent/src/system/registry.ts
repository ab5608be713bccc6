import { createHash } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { Agent, request } from 'undici';
import type { Registries, RegistryAnswer, RegistryQuestion } from '../ports/registry.ts';

/** One call; a runner's poll waits for all of them. */
const CALL_MS = 8_000;
/** Registries take manifests of 4 MiB at most. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES = 64 * 1024;
/** Everything that a tag can stand for; without these a registry answers with an older form, which has another digest. */
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Said in words, for good or until it is tried again. */
class NotTold extends Error {
  readonly retry: boolean;
  constructor(reason: string, retry = false) {
    super(reason);
    this.retry = retry;
  }
}

/** Where Docker's own registry answers. */
const API_HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };
const TOKEN_HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'auth.docker.io' };

/** As Docker itself: plain HTTP is for the own machine alone. */
const originOf = (host: string): string =>
  `${/^(?:localhost|127(?:\.\d+){3})(?::\d+)?$/.test(host) ? 'http' : 'https'}://${host}`;

/** Registries over the distribution API; `ca`: PEM of an authority that is trusted beside those of the system. */
export function httpRegistries({ ca }: { readonly ca: string | null }): Registries {
  const dispatcher = new Agent({
    connect: { timeout: CALL_MS, ...(ca === null ? {} : { ca: [...rootCertificates, ca] }) },
    headersTimeout: CALL_MS,
    bodyTimeout: CALL_MS,
  });

  async function call(url: string, method: 'GET' | 'HEAD', headers: Record<string, string>, most: number) {
    // Nothing is followed: where a registry points to is not where anybody wanted a credential to go.
    const answer = await request(url, { method, headers, dispatcher, signal: AbortSignal.timeout(CALL_MS) });
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > most) throw new NotTold('the registry answers with more than a manifest');
      parts.push(part);
    }
    const header = (name: string): string => String(answer.headers[name] ?? '');
    return { status: answer.statusCode, header, body: Buffer.concat(parts) };
  }

  async function tokenFrom(challenge: string, { image, credential, allowed }: RegistryQuestion): Promise<string> {
    const given = (name: string): string => new RegExp(`${name}="([^"\\\\]*)"`).exec(challenge)?.[1] ?? '';
    let realm: URL;
    try {
      realm = new URL(given('realm'));
    } catch {
      throw new NotTold('the registry wants a sign-in that is not known');
    }
    const host = realm.host;
    if (![...allowed, image.registry, TOKEN_HOSTS[image.registry]].includes(host) || realm.origin !== originOf(host))
      throw new NotTold(
        `the registry sends callers to ${host.slice(0, 100)} for a token, which the policy does not name`,
      );
    realm.search = '';
    // The scope is ours: a registry must not be able to ask for a token that can do more.
    realm.searchParams.set('service', given('service'));
    realm.searchParams.set('scope', `repository:${image.repository}:pull`);
    const basic = credential && Buffer.from(`${credential.username}:${credential.password}`).toString('base64');
    const headers: Record<string, string> = basic === null ? {} : { authorization: `Basic ${basic}` };
    const answer = await call(realm.href, 'GET', headers, MAX_TOKEN_BYTES);
    if (answer.status !== 200) throw new NotTold(`no token to pull it (${answer.status})`, answer.status >= 500);
    let said: { token?: unknown; access_token?: unknown };
    try {
      said = JSON.parse(answer.body.toString());
    } catch {
      throw new NotTold('the token to pull it is none');
    }
    const token = said?.token ?? said?.access_token;
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new NotTold('the token to pull it is none');
    return token;
  }

  async function digestFor(question: RegistryQuestion): Promise<string> {
    const { image, credential, allowed } = question;
    if (!allowed.includes(image.registry))
      throw new NotTold(`the policy does not name ${image.registry} under registries`);
    const host = API_HOSTS[image.registry] ?? image.registry;
    const url = `${originOf(host)}/v2/${image.repository}/manifests/${image.tag}`;
    const headers: Record<string, string> = { accept: ACCEPT };
    let answer = await call(url, 'HEAD', headers, MAX_MANIFEST_BYTES);
    if (answer.status === 401) {
      const challenge = answer.header('www-authenticate');
      if (/^bearer /i.test(challenge)) headers.authorization = `Bearer ${await tokenFrom(challenge, question)}`;
      else if (/^basic /i.test(challenge) && credential !== null)
        headers.authorization = `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
      else throw new NotTold('the registry does not let this job pull it');
      answer = await call(url, 'HEAD', headers, MAX_MANIFEST_BYTES);
    }
    if (answer.status === 200 && DIGEST.test(answer.header('docker-content-digest')))
      return answer.header('docker-content-digest');
    // Not every registry answers HEAD with the digest: what the manifest hashes to is the digest.
    if (answer.status === 200 || answer.status === 405) answer = await call(url, 'GET', headers, MAX_MANIFEST_BYTES);
    if (answer.status === 200) return `sha256:${createHash('sha256').update(answer.body).digest('hex')}`;
    if (answer.status === 404) throw new NotTold('the registry does not have it');
    if (answer.status === 401 || answer.status === 403) throw new NotTold('the registry does not let this job pull it');
    if (answer.status >= 300 && answer.status < 400) throw new NotTold('the registry redirects, which is not followed');
    throw new NotTold(`the registry answers ${answer.status}`, answer.status === 429 || answer.status >= 500);
  }

  return {
    async resolve(question): Promise<RegistryAnswer> {
      try {
        return { ok: true, digest: await digestFor(question) };
      } catch (error) {
        if (error instanceof NotTold) return { ok: false, retry: error.retry, reason: error.message };
        return { ok: false, retry: true, reason: 'the registry could not be asked' };
      }
    },
    close: () => dispatcher.close(),
  };
}
