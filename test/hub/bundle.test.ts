import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import { envelopeJson, fromBase64, type Signer, seal, toBase64 } from '../../agent/src/domain/dsse.ts';
import { pemOf } from '../../agent/src/domain/hub-key.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { runCli } from '../support/cli.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { MINUTE } from '../support/hub-world.ts';

const keeper = auditKeeper();
let hub: TestHub;
let folder: string;
let auditor: string;
beforeEach(async () => {
  hub = await startHub({ audit: keeper });
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-bundle-'));
  auditor = await hub.token('olga', ['audit']);
  await hub.world.admit({ id: 1, pipeline: 100, script: ['make', 'make deploy'] });
  await hub.world.approve('maria', 1, { comment: 'seen <b>and</b> fine' });
  await hub.world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
  await hub.world.report('embedded', { hold: 1, jobId: 1, event: 'confirmed' });
  await hub.world.report('embedded', { hold: 1, jobId: 1, event: 'ended', detail: { status: 'success' } });
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true });
});

/** Makes the bundle of a Hold by command, as whoever has the token, and answers what stands in the file. */
async function made(id = 1, token = auditor): Promise<string> {
  const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: token };
  const { exit, out, err } = await runCli(['audit', 'bundle', String(id)], { env, cwd: folder });
  expect({ exit, err }).toEqual({ exit: 0, err: '' });
  return out;
}
/** Verifies it where there is neither hub nor store. */
async function verified(text: string, ...argv: string[]) {
  writeFileSync(join(folder, 'b.json'), text);
  return runCli(['audit', 'verify', 'b.json', ...argv], { cwd: folder });
}
/** Of a statement what these tests bend. */
interface Statement {
  predicateType: string;
  readonly subject: { digest: { sha256: string } }[];
  readonly predicate: {
    canonical: string;
    readonly review: { readonly votes: { readonly person: { id: number }; decision: string }[] };
    readonly approval: { id: number };
    readonly audit: { rows: { readonly row: { actor: string }; readonly path: string[] }[]; public_key: string };
  };
}
const statementIn = (text: string) => JSON.parse(Buffer.from(JSON.parse(text).payload, 'base64').toString());

/** The same bundle with its statement changed and signed again by whoever. */
function resigned(text: string, change: (statement: Statement) => unknown, signer: Signer = keeper.signer): string {
  const statement = statementIn(text);
  change(statement);
  const envelope = seal(signer, 'application/vnd.in-toto+json', Buffer.from(JSON.stringify(statement)));
  return JSON.stringify(envelopeJson(envelope));
}

describe('a bundle', () => {
  it('verifies on a machine without the store, and says what of', async () => {
    const { exit, out, err } = await verified(await made(), '--key', keeper.signer.keyid);
    const hold = (await hub.store.hold(1))!;
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toMatch(/^ok: hold 1: job build of acme\/payments\/api\n/);
    expect(out).toContain(`digest ${hold.digest}\n`);
    expect(out).toMatch(/\d+ rows of the audit up to \d+:sha256:/);
    const pem = join(folder, 'hub.pem');
    writeFileSync(pem, pemOf(keeper.signer.publicKey));
    expect((await verified(await made(), '--key', 'hub.pem', '--json')).exit).toBe(0);
  });

  it('is an in-toto statement about the digest, with all that an auditor asks for', async () => {
    const { _type, subject, predicateType, predicate } = statementIn(await made());
    const hold = (await hub.store.hold(1))!;
    expect(_type).toBe('https://in-toto.io/Statement/v1');
    expect(predicateType).toBe('urn:holdpoint:predicate:audit-bundle:v1');
    expect(subject).toEqual([{ name: expect.stringMatching(/hold 1/), digest: { sha256: hold.digest.slice(7) } }]);
    expect(digestOfText(predicate.canonical)).toBe(hold.digest);
    expect(predicate.review).toMatchObject({
      state: 'approved',
      rules: [{ name: 'maintainers', who: 'maintainer or higher', count: 1 }],
      votes: [{ person: { id: 21, username: 'maria' }, decision: 'approve', comment: 'seen <b>and</b> fine' }],
    });
    expect(predicate.approval).toMatchObject({ id: 1, digest: hold.digest, lifetime: 'standing' });
    expect(predicate.hold).toMatchObject({
      state: 'success',
      runner: 'prod',
      attempts: [{ job_id: 1, runner: 'prod', handed_out_at: expect.any(String), ended: 'success' }],
    });
    expect(predicate.difference.summary).not.toBe('');
    const events = predicate.audit.rows.map(({ row }: { row: { event: string } }) => row.event);
    for (const event of [
      'hold_opened',
      'review_opened',
      'vote_approve',
      'approval_created',
      'job_handed_out',
      'job_ended',
      'bundle_made',
    ])
      expect(events).toContain(event);
  });

  it('does not verify with any one bit turned, in payload, signature or key id (T28, T34)', async () => {
    const text = (await made()).trimEnd();
    const { payload, signatures } = JSON.parse(text);
    const parts = {
      payload,
      sig: signatures[0].sig,
      keyid: Buffer.from(signatures[0].keyid, 'hex').toString('base64'),
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('payload' as const, 'sig' as const, 'keyid' as const),
        fc.nat(),
        async (part, at) => {
          const bytes = Uint8Array.from(fromBase64(parts[part])!);
          const bit = at % (bytes.length * 8);
          bytes[bit >> 3]! ^= 1 << (bit & 7);
          const bent = part === 'keyid' ? Buffer.from(bytes).toString('hex') : toBase64(bytes);
          const was = part === 'keyid' ? signatures[0].keyid : parts[part];
          expect((await verified(text.replace(was, bent))).exit).toBe(1);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('does not verify with any one bit of the file turned (T34)', async () => {
    const bytes = Buffer.from((await made()).trimEnd());
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const bent = Buffer.from(bytes);
        bent[bit >> 3]! ^= 1 << (bit & 7);
        writeFileSync(join(folder, 'b.json'), bent);
        expect((await runCli(['audit', 'verify', 'b.json'], { cwd: folder })).exit).not.toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    [
      'another canonical form',
      (s: Statement): void => {
        s.predicate.canonical = s.predicate.canonical.replace('make deploy', 'make depl0y');
      },
      /canonical form of digest/,
    ],
    [
      'another digest',
      (s: Statement): void => {
        s.subject[0]!.digest.sha256 = '0'.repeat(64);
      },
      /canonical form of digest/,
    ],
    [
      'a canonical form that is not canonical',
      (s: Statement) => {
        s.predicate.canonical = `${s.predicate.canonical} `;
        s.subject[0]!.digest.sha256 = digestOfText(s.predicate.canonical).slice(7);
      },
      /not written as a bundle|not canonical/,
    ],
    [
      'a vote that nobody cast',
      (s: Statement): void => {
        s.predicate.review.votes[0]!.person.id = 22;
      },
      /no row of the audit tells of/,
    ],
    [
      'an approve where there was a reject',
      (s: Statement): void => {
        s.predicate.review.votes[0]!.decision = 'reject';
      },
      /no row of the audit tells of/,
    ],
    [
      'an approval that was never made',
      (s: Statement): void => {
        s.predicate.approval.id = 7;
      },
      /shows approval 7/,
    ],
    [
      'a row changed',
      (s: Statement): void => {
        s.predicate.audit.rows[1]!.row.actor = 'user:9 eve';
      },
      /was changed/,
    ],
    ['a row moved', (s: Statement) => s.predicate.audit.rows.reverse(), /not in their order/],
    ['a row twice', (s: Statement) => s.predicate.audit.rows.unshift(s.predicate.audit.rows[0]!), /not in their order/],
    [
      'a proof changed',
      (s: Statement): void => {
        s.predicate.audit.rows[0]!.path[0] = `sha256:${'0'.repeat(64)}`;
      },
      /does not stand in the audit/,
    ],
    ['a proof cut', (s: Statement) => s.predicate.audit.rows[0]!.path.pop(), /does not stand in the audit/],
    [
      'no rows',
      (s: Statement): void => {
        s.predicate.audit.rows = [];
      },
      /has no rows/,
    ],
    [
      'another kind of statement',
      (s: Statement): void => {
        s.predicateType = 'https://slsa.dev/provenance/v1';
      },
      /of another kind/,
    ],
    ['two subjects', (s: Statement) => s.subject.push(s.subject[0]!), /digest of one subject/],
  ] as const)('does not verify with %s, even if the hub itself signed it (T28)', async (_, change, why) => {
    const { exit, err } = await verified(resigned(await made(), change), '--key', keeper.signer.keyid);
    expect([exit, err]).toEqual([1, expect.stringMatching(why)]);
  });

  it('is not taken when somebody else signed it, whole and sound as it may be (T28)', async () => {
    const forged = resigned(
      await made(),
      (s) => {
        s.predicate.audit.public_key = pemOf(auditKeeper(2).signer.publicKey);
      },
      auditKeeper(2).signer,
    );
    expect(await verified(forged, '--key', keeper.signer.keyid)).toMatchObject({
      exit: 1,
      err: expect.stringMatching(/another hub/),
    });
    const { err } = await verified(await made());
    expect(err).toMatch(/^not proved: that key .* is your hub's/);
  });

  it('is for auditors and for those who may decide; others are refused (T32)', async () => {
    const path = '/api/v1/audit/bundle/holds/1';
    expect((await hub.call('GET', path, await hub.token('jonas'))).status).toBe(200);
    for (const [who, status] of [
      ['rita', 403],
      ['alice', 403],
      ['stranger', 404],
    ] as const)
      expect([who, (await hub.call('GET', path, await hub.token(who))).status]).toEqual([who, status]);
    expect((await hub.call('GET', '/api/v1/audit/bundle/holds/99', auditor)).status).toBe(404);
    expect((await hub.call('GET', path, await hub.token('maria', ['approve']))).status).toBe(403);
  });

  it('has nothing of other holds and projects in it, and a proof that grows with the logarithm (T32)', async () => {
    for (let i = 2; i <= 300; i++) await hub.world.admit({ id: i, pipeline: i, name: `other-${i}`, project: 4243 });
    const text = await made();
    const { predicate } = statementIn(text);
    expect(JSON.stringify(predicate)).not.toMatch(/other-\d|"project_id":4243/);
    const longest = Math.max(...predicate.audit.rows.map(({ path }: { path: string[] }) => path.length));
    expect(longest).toBeLessThanOrEqual(10);
    expect((await verified(text)).exit).toBe(0);
  });

  it('of a job that passed shows who approved its configuration, on which hold that ever was', async () => {
    await hub.world.admit({ id: 2, pipeline: 101, by: 'alice', script: ['make', 'make deploy'] });
    const text = await made(2);
    const { predicate } = statementIn(text);
    expect(predicate.review.votes).toHaveLength(1);
    expect(predicate.difference).toMatchObject({ approval: 1, changes: [] });
    expect((await verified(text)).exit).toBe(0);
  });

  it('writes a file to be verified and a page to be read, for their owner alone', async () => {
    hub.world.clock.advance(MINUTE);
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: auditor };
    const { exit, out } = await runCli(['audit', 'bundle', '1', '--out', 'for-ernst'], { env, cwd: folder });
    expect({ exit, out }).toEqual({ exit: 0, out: 'for-ernst/hold-1.bundle.json\nfor-ernst/hold-1.bundle.html\n' });
    for (const name of ['json', 'html']) {
      expect(statSync(join(folder, `for-ernst/hold-1.bundle.${name}`)).mode & 0o777).toBe(0o600);
    }
    expect((await runCli(['audit', 'verify', 'for-ernst/hold-1.bundle.json'], { cwd: folder })).exit).toBe(0);
    const page = readFileSync(join(folder, 'for-ernst/hold-1.bundle.html'), 'utf8');
    expect(page).toContain('seen &lt;b&gt;and&lt;/b&gt; fine');
    // Its page names it, since it stands beside it; the hub's own links it.
    expect(page).toContain('<code>hold-1.bundle.json</code>, written beside it');
    const again = await runCli(['audit', 'bundle', '1', '--out', 'for-ernst'], { env, cwd: folder });
    expect([again.exit, again.err]).toEqual([2, expect.stringMatching(/exists/)]);
  });
});
