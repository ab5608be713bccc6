/** A check taken out of the program: what is put in the place of what, and the tests that have to miss it. */
export interface Mutant {
  readonly name: string;
  readonly part: 'gate' | 'quorum' | 'link' | 'hand-out' | 'snapshot' | 'uses' | 'audit';
  readonly file: string;
  /** Stands there once. */
  readonly find: string;
  readonly put: string;
  readonly tests: readonly string[];
}

/** Ours: each takes one defence away and leaves all others. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a revoked approval goes on counting',
    part: 'gate',
    file: 'agent/src/domain/approval.ts',
    find: 'return approval.revoked === null && (end === null || now < end);',
    put: 'return end === null || now < end;',
    tests: ['test/unit/approval.test.ts', 'test/scenarios/revoked-approvals.test.ts'],
  },
  {
    name: 'an approval lets any configuration of its job go',
    part: 'gate',
    file: 'agent/src/domain/approval.ts',
    find: 'approval.digest === question.digest &&',
    put: '',
    tests: ['test/unit/approval.test.ts'],
  },
  {
    name: 'the approval of one hold lets other holds go',
    part: 'gate',
    file: 'agent/src/domain/approval.ts',
    find: "(approval.lifetime.kind === 'run' ? approval.hold !== null && approval.hold === question.hold : true)",
    put: 'true',
    tests: ['test/unit/approval.test.ts'],
  },
  {
    name: 'a denial is forgotten',
    part: 'gate',
    file: 'agent/src/app/covering.ts',
    find: 'return (await s.tx.denial(subject, digest, s.now)) !== null;',
    put: 'return (await s.tx.denial(subject, digest, s.now)) === undefined;',
    tests: ['test/scenarios/comparing.test.ts'],
  },
  {
    name: 'one person is as good as two',
    part: 'quorum',
    file: 'agent/src/domain/quorum.ts',
    find: 'rule.count >= 1 && seats[i]!.length >= rule.count);',
    put: 'rule.count >= 1 && seats[i]!.length >= 1);',
    tests: ['test/unit/quorum.test.ts'],
  },
  {
    name: 'who triggered it is let to approve it',
    part: 'quorum',
    file: 'agent/src/domain/may-vote.ts',
    find: 'if (requirement.excluded.includes(personId)) {',
    put: 'if (requirement.excluded.includes(-personId)) {',
    tests: ['test/scenarios/quorum-votes.test.ts', 'test/hub/voting.test.ts'],
  },
  {
    name: 'who is no maintainer counts',
    part: 'quorum',
    file: 'agent/src/domain/rule.ts',
    find: 'export function satisfies(',
    put: 'export function satisfies(..._all: unknown[]): boolean { return true; }\nfunction _satisfies(',
    tests: ['test/unit/quorum.test.ts'],
  },
  {
    name: 'a use is never taken',
    part: 'uses',
    file: 'agent/src/app/settle.ts',
    find: 'timesUsed: approval.timesUsed + uses,',
    put: 'timesUsed: approval.timesUsed,',
    tests: ['test/scenarios/uses.test.ts'],
  },
  {
    name: 'the hub is not asked before a released job goes out',
    part: 'hand-out',
    file: 'agent/src/app/parking/hand-out.ts',
    find: 'if (!isTold && !(await hubAgrees(parking, entry))) {',
    put: 'if (!isTold && !(await hubAgrees(parking, entry).then(() => true))) {',
    tests: ['test/gateway/live.test.ts', 'test/gateway/polls.test.ts'],
  },
  {
    name: 'the hub does not look again when a job is handed out',
    part: 'hand-out',
    file: 'agent/src/app/report.ts',
    find: "const asked = command.type === 'hand_out' ? await mayGoNow(s, hold, jobId, gate) : hold;",
    put: 'const asked = hold;\n    void mayGoNow;\n    void gate;',
    tests: ['test/scenarios/approved-configurations.test.ts', 'test/scenarios/deployments-rules.test.ts'],
  },
  {
    name: 'a hand-out is not written down before its first byte',
    part: 'hand-out',
    file: 'agent/src/app/parking/hand-out.ts',
    find: "const marked = await change(parking, entry, 'disk', (job) => {",
    put: "const marked = await change(parking, entry, 'memory', (job) => {",
    tests: ['test/gateway/kill.test.ts'],
  },
  {
    name: 'a job that GitLab sends twice is taken twice',
    part: 'hand-out',
    file: 'agent/src/app/parking/receive.ts',
    find: 'if (parking.entries.has(jobId) || parking.ended.has(jobId)) {',
    put: 'if (parking.entries.has(-jobId)) {',
    tests: ['test/gateway/polls.test.ts'],
  },
  {
    name: 'two polls are given one job',
    part: 'hand-out',
    file: 'agent/src/app/parking/hand-out.ts',
    find: "job.state === 'released' && !entry.claimed && entry.sealed",
    put: "job.state === 'released' && entry.sealed",
    tests: ['test/gateway/storm.test.ts', 'test/gateway/polls.test.ts', 'test/gateway/live.test.ts'],
  },
  {
    name: 'stored bytes are not compared with those that were received',
    part: 'gate',
    file: 'agent/src/app/parking/stored.ts',
    find: 'if (payloadHash(payload) !== job.payloadSha256)',
    put: 'if (payloadHash(payload) === job.payloadSha256 && payload.length < 0)',
    tests: ['test/unit/stored-payload.test.ts'],
  },
  {
    name: 'any proof of an agent is good',
    part: 'link',
    file: 'agent/src/hub/link-auth.ts',
    find: 'return key !== null && bytes.length === 64 && verify(null, text, publicKeyOf(key), bytes) ? key : null;',
    put: 'return bytes.length === 64 && text.length > 0 ? key : null;\n  void verify;',
    tests: ['test/hub/link.test.ts'],
  },
  {
    name: 'what was sent counts as acknowledged',
    part: 'link',
    file: 'agent/src/hub/link-outbox.ts',
    find: 'unacked.add(push.seq);',
    put: 'unacked.add(push.seq);\n    void store.write((tx) => tx.acknowledgeOne(agent, push.seq));',
    tests: ['test/hub/link.test.ts'],
  },
  {
    name: 'an agent hands out before it is in step with its hub',
    part: 'link',
    file: 'agent/src/app/parking/hand-out.ts',
    find: 'return !parking.closing && parking.synced && parking.gatekeeper.connected();',
    put: 'return !parking.closing;',
    tests: ['test/gateway/restart.test.ts'],
  },
  {
    name: 'the grace never ends',
    part: 'snapshot',
    file: 'agent/src/app/offline/gatekeeper.ts',
    find: 'if (known.ageMs >= graceMs) {',
    put: 'if (known.ageMs >= graceMs * 1_000_000) {',
    tests: ['test/hub/offline.test.ts'],
  },
  {
    name: 'an older snapshot replaces a newer one',
    part: 'snapshot',
    file: 'agent/src/app/offline/snapshot-keeper.ts',
    find: 'if (known !== null && head.seq <= known.head.seq)',
    put: 'if (known !== null && head.seq <= known.head.seq - 1_000_000)',
    tests: ['test/hub/offline.test.ts'],
  },
  {
    name: 'a vote leaves no trace',
    part: 'audit',
    file: 'agent/src/app/vote.ts',
    find: "vote.decision === 'approve' ? 'vote_approve' : 'vote_reject',",
    put: "vote.decision === 'approve' ? 'hold_seen' : 'vote_reject',",
    tests: ['test/hub/audit.test.ts', 'test/hub/voting.test.ts'],
  },
];
