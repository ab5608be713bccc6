import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as tls from 'node:tls';
import { quotablePath } from './secret-file.ts';
import type { Settings } from './settings.ts';
import { systemErrorWords } from './system-error.ts';

/** A certificate with its key, both PEM, and the files that they are from. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly files: { readonly cert: string; readonly key: string };
}
/** PEM certificates of a file. */
export interface CaConfig {
  readonly text: string;
  readonly file: string;
}
/** What was read of files, or what is wrong with which of them. */
export type TlsReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly path: 'cert' | 'key'; readonly message: string };

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function reading<T>(path: 'cert' | 'key', file: string, read: () => TlsReading<T>): TlsReading<T> {
  try {
    return read();
  } catch (error) {
    const name = quotablePath(file);
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why = /^E[A-Z]+$/.test(code) ? `cannot read ${name}: ${systemErrorWords(error)}` : null;
    return { ok: false, path, message: why ?? `${name} is no PEM ${path === 'key' ? 'key' : 'certificate'}` };
  }
}

/**
 * `own` beside what Node trusts by itself, PEM: the authorities that it brings or is told of (NODE_EXTRA_CA_CERTS, --use-system-ca).
 * To Node itself a `ca` stands in the place of those; gitlab-runner, which has the same file, adds it to them.
 */
export function besideUsual(own: string): string {
  // Since Node 22.15; before it nothing tells what the variable has added.
  const all = (tls as { getCACertificates?: (of: 'default') => readonly string[] }).getCACertificates?.('default');
  return [...(all ?? [...tls.rootCertificates, ...extra()]), own].join('\n');
}

/** Node goes on without a file that it cannot read, and has said so when it started. */
function extra(): readonly string[] {
  try {
    return [readFileSync(process.env.NODE_EXTRA_CA_CERTS ?? '', 'utf8')];
  } catch {
    return [];
  }
}

/** Certificates as their file has them now. */
export function readCertificates(file: string): TlsReading<string> {
  return reading('cert', file, () => {
    const text = readFileSync(file, 'utf8');
    const all = text.match(CERTIFICATE) ?? [];
    const refuse = (message: string) => ({ ok: false, path: 'cert', message }) as const;
    if (all.length === 0) return refuse(`${quotablePath(file)} has no PEM certificate in it`);
    const spoilt = all.findIndex((one) => !isCertificate(one));
    if (spoilt < 0) return { ok: true, value: text };
    return refuse(`the PEM certificate number ${spoilt + 1} in ${quotablePath(file)} cannot be read`);
  });
}

/** A certificate and its key as their files have them now: at the start, and whenever they are renewed. */
export function readTls(files: TlsConfig['files']): TlsReading<TlsConfig> {
  const cert = readCertificates(files.cert);
  if (!cert.ok) return cert;
  return reading('key', files.key, () => {
    const name = quotablePath(files.key);
    const refuse = (message: string) => ({ ok: false, path: 'key', message }) as const;
    const mode = statSync(files.key).mode & 0o777;
    if ((mode & 0o027) !== 0)
      return refuse(`${name} has mode ${mode.toString(8).padStart(4, '0')}: others could read the key; chmod 600 it`);
    const key = readFileSync(files.key, 'utf8');
    if (!new X509Certificate(cert.value).checkPrivateKey(createPrivateKey(key)))
      return refuse(`${name} is not the key of tls.cert`);
    return { ok: true, value: { cert: cert.value, key, files } };
  });
}

/** PEM certificates; null where none are named or they are no good, which goes to `problems`. */
export function certificates({ settings, path, problems }: Settings, key: string): CaConfig | null {
  const setting = settings.get(key);
  if (setting === undefined) return null;
  const found = readCertificates(path(key));
  if (found.ok) return { text: found.value, file: path(key) };
  problems.push({ where: setting.where, path: key, message: found.message });
  return null;
}

/** The hub's certificate and its key; null for a hub without TLS. A key that others can read, or that is another's, is refused. */
export function tlsConfig({ settings, path, problems }: Settings): TlsConfig | null {
  const [certFrom, keyFrom] = [settings.get('tls.cert'), settings.get('tls.key')];
  if (certFrom === undefined && keyFrom === undefined) return null;
  if (certFrom === undefined || keyFrom === undefined) {
    const [there, lacks] = certFrom === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key'];
    const { where } = (certFrom ?? keyFrom)!;
    problems.push({ where, path: there, message: `is of no use without ${lacks}: set both, or take it out` });
    return null;
  }
  const found = readTls({ cert: path('tls.cert'), key: path('tls.key') });
  if (found.ok) return found.value;
  const { where } = found.path === 'cert' ? certFrom : keyFrom;
  problems.push({ where, path: `tls.${found.path}`, message: found.message });
  return null;
}
