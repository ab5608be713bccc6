import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifySignature } from '../../agent/src/cli/signature.ts';
import {
  HEAD_PAYLOAD,
  type HeadStatement,
  readHead,
  requireSigned,
  signHead,
} from '../../agent/src/domain/audit-head.ts';
import {
  type Envelope,
  envelopeJson,
  fromBase64,
  pae,
  readEnvelope,
  type Signer,
  toBase64,
} from '../../agent/src/domain/dsse.ts';
import { keyidOf, pemOf, publicKeyOfPem } from '../../agent/src/domain/hub-key.ts';
import { START } from '../support/hub-world.ts';

function signer(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url');
  return { publicKey: raw, keyid: keyidOf(raw), sign: (bytes) => sign(null, bytes, privateKey) };
}
const own = signer();
const head: HeadStatement = { seq: 7, hash: `sha256:${'a'.repeat(64)}`, root: `sha256:${'b'.repeat(64)}`, at: START };
const check = (envelope: Envelope, key = own) => {
  requireSigned(envelope, HEAD_PAYLOAD, key.publicKey, verifySignature, 'the head');
  return readHead(envelope, 'the head');
};

describe('a signed head', () => {
  it('says what was signed, after a way through JSON', () => {
    const text = JSON.stringify(envelopeJson(signHead(own, head)));
    expect(check(readEnvelope(JSON.parse(text), 'the head'))).toEqual(head);
  });

  it('is not taken under another key, nor with its key named otherwise (T28)', () => {
    const other = signer();
    expect(() => check(signHead(other, head))).toThrow(/of another hub/);
    expect(() => check({ ...signHead(other, head), keyid: own.keyid })).toThrow(/signed by somebody else/);
    expect(() => check({ ...signHead(own, head), payloadType: 'application/vnd.in-toto+json' })).toThrow(
      /another kind/,
    );
  });

  it('does not verify with any one bit of payload or signature turned (T28, T34)', () => {
    const envelope = signHead(own, head);
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), (inPayload, at) => {
        const bytes = Uint8Array.from(inPayload ? envelope.payload : envelope.signature);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const bent = inPayload ? { ...envelope, payload: bytes } : { ...envelope, signature: bytes };
        expect(() => check(bent)).toThrow(/does not fit/);
      }),
    );
  });

  it('says nothing else than the end of an audit, whoever signed it', () => {
    const odd = [
      '[]',
      'null',
      '{}',
      JSON.stringify({
        at: new Date(START).toISOString(),
        form: 'holdpoint.audit-head/v1',
        hash: head.hash,
        root: head.root,
        seq: -1,
      }),
      JSON.stringify({ at: 'soon', form: 'holdpoint.audit-head/v1', hash: head.hash, root: head.root, seq: 1 }),
      `${new TextDecoder().decode(signHead(own, head).payload)} `,
      new TextDecoder().decode(signHead(own, head).payload).replace('"seq":7', '"seq":7,"seq":7'),
    ];
    for (const text of odd) {
      const payload = Buffer.from(text);
      const envelope = {
        payloadType: HEAD_PAYLOAD,
        payload,
        keyid: own.keyid,
        signature: own.sign(pae(HEAD_PAYLOAD, payload)),
      };
      expect(() => check(envelope), text).toThrow(/says nothing of the end/);
    }
  });
});

describe('an envelope', () => {
  it('signs type and payload as DSSE v1 says', () => {
    // The example of the specification (protocol.md).
    const text = new TextDecoder().decode(pae('http://example.com/HelloWorld', Buffer.from('hello world')));
    expect(text).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('has one spelling only', () => {
    const json = envelopeJson(signHead(own, head));
    const [signature] = json.signatures;
    const bad: unknown[] = [
      null,
      [],
      { ...json, more: 1 },
      { payload: json.payload, payloadType: json.payloadType, signatures: json.signatures },
      { ...json, signatures: [] },
      { ...json, signatures: [signature, signature] },
      { ...json, signatures: [{ ...signature, cert: 'x' }] },
      { ...json, payload: `${json.payload}\n` },
      { ...json, payload: `${json.payload.replace(/=*$/, '')}====` },
      { ...json, payload: 7 },
    ];
    for (const value of bad)
      expect(() => readEnvelope(value, 'it'), JSON.stringify(value)).toThrow(/no signed envelope/);
  });

  it('reads base64 only as it is written: no two texts are the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
    for (const text of ['QQ', 'QR==', 'Q===', 'QQ==\n', 'Q-==', '====']) expect(fromBase64(text), text).toBe(null);
  });
});

describe('the public key of the hub', () => {
  it('is written and named as openssl writes and names it', () => {
    const pem = pemOf(own.publicKey);
    const key = createPublicKey(pem);
    expect(key.asymmetricKeyType).toBe('ed25519');
    const der = key.export({ format: 'der', type: 'spki' });
    expect(keyidOf(own.publicKey)).toBe(createHash('sha256').update(der).digest('hex'));
    expect(publicKeyOfPem(pem)).toEqual(Uint8Array.from(own.publicKey));
    expect(publicKeyOfPem(key.export({ format: 'pem', type: 'spki' }) as string)).toEqual(
      Uint8Array.from(own.publicKey),
    );
    expect(verify(null, Buffer.from('x'), key, own.sign(Buffer.from('x')))).toBe(true);
  });

  it('is of no other kind', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(publicKeyOfPem(publicKey.export({ format: 'pem', type: 'spki' }) as string)).toBe(null);
    for (const text of ['', 'x', pemOf(own.publicKey).replace('PUBLIC', 'PRIVATE')])
      expect(publicKeyOfPem(text)).toBe(null);
  });
});
