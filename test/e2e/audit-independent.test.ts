import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

/**
 * A reader that shares no line with the program: what agent/docs/audit.md says of export and bundle, done with node's own
 * SHA-256 and Ed25519. Auditors who do not trust the program write the like.
 */
const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = value as Record<string, unknown>;
  const keys = Object.keys(members).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(members[key])}`).join()}}`;
};
interface Envelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly sig: string }[];
}
function opened({ payloadType, payload, signatures }: Envelope, pem: string) {
  const bytes = Buffer.from(payload, 'base64');
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} `), bytes]);
  expect(verify(null, signed, createPublicKey(pem), Buffer.from(signatures[0]!.sig, 'base64'))).toBe(true);
  return JSON.parse(bytes.toString());
}
const bytesOf = (hash: string): Buffer => Buffer.from(hash.replace('sha256:', ''), 'hex');
const hashOf = ({ hash: _, ...row }: Record<string, unknown>): string =>
  `sha256:${sha256(canonical(row)).toString('hex')}`;
const leaf = (row: { hash: string }): Buffer => sha256(Buffer.of(0), bytesOf(row.hash));
const node = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.of(1), left, right);
function root(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return node(root(leaves.slice(0, k)), root(leaves.slice(k)));
}
/** RFC 9162 §2.1.3.2, step by step. */
function rootOfProof(index: number, size: number, start: Buffer, path: readonly Buffer[]): Buffer {
  let [fn, sn, r] = [index, size - 1, start];
  for (const p of path) {
    expect(sn).toBeGreaterThan(0);
    if (fn % 2 === 1 || fn === sn) {
      r = node(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      r = node(r, p);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  expect(sn).toBe(0);
  return r;
}

let scene: Scene;
let pem: string;
let ask: (path: string) => Promise<string>;
beforeEach(async () => {
  scene = await openScene();
  const runner = scene.runner();
  const auditor = await scene.as('rob', ['audit']);
  ask = async (path) => {
    const headers = { authorization: `Bearer ${auditor.token}` };
    return (await fetch(`${scene.agent.hubUrl}/api/v1/${path}`, { headers })).text();
  };
  pem = JSON.parse(await ask('audit/key')).public_key;
  const job = scene.gitlab.enqueue(readFileSync(join(ROOT, 'test/fixtures/gitlab/test-unit.run1.json'), 'utf8'), {
    runner: scene.protectedToken,
  });
  await scene.approve(job, { comment: 'reads well' });
  await scene.hold(job, 'success');
  expect(runner.started.length).toBe(1);
});
afterEach(async () => scene.close());

describe('an auditor with a reader of their own', () => {
  it('T34 finds the export whole: every hash, the order, the end, the hash over all rows, the signature', async () => {
    const lines = (await ask('audit/export'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { signed_head: head, public_key: inside } = lines.pop();
    expect(inside).toBe(pem);
    let prev = `sha256:${sha256('holdpoint.audit/v1').toString('hex')}`;
    for (const [i, row] of lines.entries()) {
      expect([row.seq, row.prev, row.hash]).toEqual([i + 1, prev, hashOf(row)]);
      prev = row.hash;
    }
    const said = opened(head, pem);
    expect(said).toMatchObject({ form: 'holdpoint.audit-head/v1', seq: lines.length, hash: prev });
    expect(bytesOf(said.root)).toEqual(root(lines.map(leaf)));
    expect(lines.map((row) => row.event)).toEqual(
      expect.arrayContaining(['policy_changed', 'vote_approve', 'audit_exported']),
    );
  });

  it('T34 finds a bundle sound: signature, digest of the configuration, each row in its place', async () => {
    const bundle = JSON.parse(await ask('audit/bundle/holds/1'));
    const { subject, predicate } = opened(bundle, pem);
    expect(sha256(predicate.canonical).toString('hex')).toBe(subject[0].digest.sha256);
    const head = opened(predicate.audit.signed_head, pem);
    for (const { row, path } of predicate.audit.rows) {
      expect(row.hash).toBe(hashOf(row));
      expect(rootOfProof(row.seq - 1, head.seq, leaf(row), path.map(bytesOf))).toEqual(bytesOf(head.root));
    }
    const vote = predicate.audit.rows.find(({ row }: { row: { event: string } }) => row.event === 'vote_approve').row;
    expect([vote.actor, vote.detail.comment, vote.digest]).toEqual([
      'user:21 maria',
      'reads well',
      `sha256:${subject[0].digest.sha256}`,
    ]);
  });
});
