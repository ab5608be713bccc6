import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as tls from 'node:tls';
import { quotablePath } from './secret-file.ts';
import type { Settings } from './settings.ts';
import { systemErrorWords } from './system-error.ts';

/** A certificate with its key, both PEM. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** Text of PEM certificates; null where none are named or they are no good, which goes to `problems`. */
export function certificates({ settings, path, problems }: Settings, key: string): string | null {
  const setting = settings.get(key);
  if (setting === undefined) return null;
  const name = quotablePath(path(key));
  const refuse = (message: string): null => {
    problems.push({ where: setting.where, path: key, message });
    return null;
  };
  try {
    const text = readFileSync(path(key), 'utf8');
    const all = text.match(CERTIFICATE) ?? [];
    if (all.length === 0) return refuse(`${name} has no PEM certificate in it`);
    const spoilt = all.findIndex((one) => !isCertificate(one));
    return spoilt < 0 ? text : refuse(`the PEM certificate number ${spoilt + 1} in ${name} cannot be read`);
  } catch (error) {
    return refuse(`cannot read ${name}: ${systemErrorWords(error)}`);
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

/** The hub's certificate and its key; null for a hub without TLS. A key that others can read, or that is another's, is refused. */
export function tlsConfig(read: Settings): TlsConfig | null {
  const { settings, path, problems } = read;
  const [certFrom, keyFrom] = [settings.get('tls.cert'), settings.get('tls.key')];
  if (certFrom === undefined && keyFrom === undefined) return null;
  if (certFrom === undefined || keyFrom === undefined) {
    const [there, lacks] = certFrom === undefined ? ['tls.key', 'tls.cert'] : ['tls.cert', 'tls.key'];
    const { where } = (certFrom ?? keyFrom)!;
    problems.push({ where, path: there, message: `is of no use without ${lacks}: set both, or take it out` });
    return null;
  }
  const refuse = (message: string): null => {
    problems.push({ where: keyFrom.where, path: 'tls.key', message });
    return null;
  };
  const cert = certificates(read, 'tls.cert');
  if (cert === null) return null;
  const name = quotablePath(path('tls.key'));
  try {
    const mode = statSync(path('tls.key')).mode & 0o777;
    if ((mode & 0o027) !== 0)
      return refuse(`${name} has mode ${mode.toString(8).padStart(4, '0')}: others could read the key; chmod 600 it`);
    const key = readFileSync(path('tls.key'), 'utf8');
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
      return refuse(`${name} is not the key of tls.cert`);
    return { cert, key };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return refuse(/^E[A-Z]+$/.test(code) ? `cannot read ${name}: ${systemErrorWords(error)}` : `${name} is no PEM key`);
  }
}
