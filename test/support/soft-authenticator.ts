import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

type Options = Readonly<Record<string, unknown>>;
/** What a test has the authenticator do wrongly. */
export interface Misuse {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  /** Nobody touched it. */
  readonly absent?: boolean;
  /** Somebody touched it who gave no PIN and no finger. */
  readonly unverified?: boolean;
  readonly challenge?: string;
  readonly counter?: number;
  readonly otherKey?: boolean;
}
/** A passkey in software: it signs whatever it is asked to, for whichever page. */
export interface SoftAuthenticator {
  readonly id: string;
  /** As `navigator.credentials.create` gives it. */
  create(options: Options, origin: string, misuse?: Misuse): Record<string, unknown>;
  /** As `navigator.credentials.get` gives it. */
  get(options: Options, origin: string, misuse?: Misuse): Record<string, unknown>;
}

const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64url');
const sha = (text: string | Uint8Array): Buffer => createHash('sha256').update(text).digest();

/** The few kinds of CBOR that attestations are made of. */
function cbor(value: unknown): Buffer {
  const head = (major: number, n: number): Buffer => {
    if (n < 24) return Buffer.from([(major << 5) | n]);
    if (n < 256) return Buffer.from([(major << 5) | 24, n]);
    return Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
  };
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  const entries = [...(value as Map<unknown, unknown>)];
  return Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, member]) => [cbor(key), cbor(member)])]);
}

/** Makes an authenticator with one P-256 key. */
export function softAuthenticator(): SoftAuthenticator {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const id = randomBytes(16);
  let counter = 0;

  const clientData = (type: string, options: Options, origin: string, misuse: Misuse): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: misuse.type ?? type,
        challenge: misuse.challenge ?? options.challenge,
        origin: misuse.origin ?? origin,
        crossOrigin: false,
      }),
    );
  const data = (rpId: string, misuse: Misuse, attested: Buffer | null): Buffer => {
    counter += 1;
    const flags =
      (misuse.absent === true ? 0 : 1) | (misuse.unverified === true ? 0 : 4) | (attested === null ? 0 : 64);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(misuse.counter ?? counter);
    return Buffer.concat([sha(misuse.rpId ?? rpId), Buffer.from([flags]), count, attested ?? Buffer.alloc(0)]);
  };
  const sign = (key: KeyObject, bytes: Buffer): Buffer => createSign('SHA256').update(bytes).sign(key);

  return {
    id: b64(id),
    create(options, origin, misuse = {}) {
      const { x, y } = publicKey.export({ format: 'jwk' });
      const cose = cbor(
        new Map<number, number | Buffer>([
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, Buffer.from(x!, 'base64url')],
          [-3, Buffer.from(y!, 'base64url')],
        ]),
      );
      const length = Buffer.from([0, id.length]);
      const attested = Buffer.concat([Buffer.alloc(16), length, id, cose]);
      const rpId = String((options.rp as { id: string }).id);
      const attestation = cbor(
        new Map<string, unknown>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', data(rpId, misuse, attested)],
        ]),
      );
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: b64(clientData('webauthn.create', options, origin, misuse)),
          attestationObject: b64(attestation),
          transports: ['internal'],
        },
      };
    },
    get(options, origin, misuse = {}) {
      const client = clientData('webauthn.get', options, origin, misuse);
      const authenticator = data(String(options.rpId), misuse, null);
      const signed = Buffer.concat([authenticator, sha(client)]);
      return {
        id: b64(id),
        rawId: b64(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: b64(client),
          authenticatorData: b64(authenticator),
          signature: b64(sign(misuse.otherKey === true ? other : privateKey, signed)),
        },
      };
    },
  };
}
