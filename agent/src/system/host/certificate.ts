import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { type CertificateLook, type Seen, seen, unseen } from '../../domain/doctor/observation.ts';

const CONNECT_MS = 5_000;

function lookOf(where: string, certificate: X509Certificate, host: string | null): CertificateLook {
  const covered = (name: string): boolean =>
    (/^[\d.]+$|:/.test(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
  return {
    where,
    fromMs: Date.parse(certificate.validFrom),
    untilMs: Date.parse(certificate.validTo),
    name: host === null ? null : { host, covered: covered(host) },
  };
}

/** The first certificate of a text: the hub's own, before those of its authorities. */
export function lookAtCertificateOf(where: string, pem: string, host: string | null): CertificateLook {
  return lookOf(where, new X509Certificate(pem), host);
}

/** What is shown to whoever comes to an https address. Nothing is asked there, and nothing that it says is believed. */
export async function lookAtCertificateAt(url: URL): Promise<Seen<CertificateLook>> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isAddress = /^[\d.]+$|:/.test(host);
  try {
    const shown = await new Promise<X509Certificate>((resolve, reject) => {
      const socket = connect({
        host,
        port: Number(url.port || 443),
        // A certificate that is not trusted is the very thing that is looked at.
        rejectUnauthorized: false,
        timeout: CONNECT_MS,
        ...(isAddress ? {} : { servername: host }),
      });
      socket.on('secureConnect', () => {
        const certificate = socket.getPeerX509Certificate();
        socket.destroy();
        if (certificate === undefined) reject(new Error('none'));
        else resolve(certificate);
      });
      socket.on('timeout', () => socket.destroy(new Error('no answer')));
      socket.on('error', reject);
    });
    return seen(lookOf(url.origin, shown, host));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no answer';
    return unseen(
      `no certificate is shown at ${url.origin} (${code})`,
      'start the proxy that serves it; where this host may not go there, look from another',
    );
  }
}
