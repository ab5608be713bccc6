import { describe, expect, it } from 'vitest';
import {
  DEPLOYMENT_LEGAL,
  DEPLOYMENT_STATES,
  type Deployment,
  type DeploymentCommand,
  type DeploymentState,
  isDeploymentOver,
  moveDeployment,
} from '../../agent/src/domain/deployment.ts';
import {
  askedRules,
  commandAfter,
  correctionsOf,
  deploymentRequirement,
  isThrough,
} from '../../agent/src/domain/deployment-gate.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Hold, HoldState } from '../../agent/src/domain/hold.ts';
import { DEFAULT_POLICY, effectivePolicy } from '../../agent/src/domain/policy.ts';
import type { Member } from '../../agent/src/domain/principal.ts';
import { combined, mayDeploy, type Protection, STRICT_OPTIONS } from '../../agent/src/domain/protected-environment.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { factsFor, START } from '../support/hub-world.ts';

const operators = { kind: 'group', id: 61, name: 'operators', inherited: false } as const;
const protection = (more: Partial<Protection> = {}): Protection => ({
  source: 'policy:production',
  rules: [{ ...levelRule('maintainers', 40, 1), element: null }],
  deployAccess: [operators],
  options: STRICT_OPTIONS,
  ...more,
});
const trigger = factsFor({ id: 1 }).trigger;
const policy = effectivePolicy(DEFAULT_POLICY, {
  projectId: 4242,
  projectPath: 'acme/payments/api',
  job: 'deploy',
  ref: 'refs/heads/main',
  refProtected: true,
  environment: 'production',
});
const rules = combined([protection()]);
const base: Deployment = {
  id: 3,
  iid: 1,
  version: 4,
  state: 'blocked',
  hold: 7,
  subject: { instance: 'https://gitlab.example.com', projectId: 4242, job: 'deploy' },
  projectPath: 'acme/payments/api',
  stage: 'deploy',
  digest: `sha256:${'0'.repeat(64)}`,
  place: { ref: 'refs/heads/main', refProtected: true, environment: 'production' },
  sha: 'a'.repeat(40),
  pipelineId: 100,
  environment: { id: 1, name: 'production', slug: null, tier: null, action: 'start', url: null, verified: true },
  kind: 'deploy',
  trigger,
  rules,
  requirement: deploymentRequirement(policy, rules, 'deploy', trigger),
  started: null,
  approvedAt: null,
  createdAt: START,
  updatedAt: START,
  runningAt: null,
  finishedAt: null,
  reason: null,
};
const opal = { id: 71, username: 'opal', name: 'OPAL' };
const commands: readonly DeploymentCommand[] = [
  { type: 'approve' },
  { type: 'block', reason: 'approvals are missing' },
  { type: 'run', by: opal },
  { type: 'stop', reason: 'opal left' },
  { type: 'reject', reason: 'no' },
  { type: 'confirm' },
  { type: 'finish', status: 'success', reason: null },
];

/** Every legal move and where it leads; whatever is not in here must be refused. */
const MOVES: Readonly<Record<string, DeploymentState>> = {
  'blocked approve': 'created',
  'blocked stop': 'blocked',
  'blocked reject': 'failed',
  // A runner that had the job before it was sent back runs it: that is shown, not hidden.
  'blocked confirm': 'running',
  'blocked finish': 'success',
  'created block': 'blocked',
  'created run': 'created',
  'created stop': 'created',
  'created reject': 'failed',
  'created confirm': 'running',
  'created finish': 'success',
  'running finish': 'success',
};
const pairs = DEPLOYMENT_STATES.flatMap((state) =>
  commands.map((command) => ({ state, command, name: `${state} ${command.type}` })),
);

describe('the states of a deployment', () => {
  it('has every command in the list of this test', () => {
    expect(commands.map(({ type }) => type).sort()).toEqual(Object.keys(DEPLOYMENT_LEGAL).sort());
  });

  it.each(pairs)('$name leads where it should, or is wrong_state', ({ state, command, name }) => {
    const move = () => moveDeployment({ ...base, state }, command, START + 10);
    const to = MOVES[name];
    if (to === undefined) {
      expect(move).toThrowError(expect.objectContaining({ code: 'wrong_state' }));
      expect(move).toThrowError(HoldpointError);
      return;
    }
    const moved = move();
    expect(moved).toMatchObject({ state: to, version: 5, updatedAt: START + 10 });
    expect(moved.finishedAt !== null).toBe(isDeploymentOver(to));
  });

  it.each<[HoldState, DeploymentState | null]>([
    ['waiting_for_approval', null],
    ['pending', null],
    ['running', 'running'],
    ['success', 'success'],
    ['failed', 'failed'],
    ['canceled', 'canceled'],
    ['rejected', 'failed'],
    ['expired', 'canceled'],
  ])('with its hold %s it is %s', (state, expected) => {
    const command = commandAfter({ ...base, state: 'created' }, { state, reason: null } as Hold, {
      type: 'confirm',
      jobId: 1,
    });
    expect(command === null ? null : moveDeployment({ ...base, state: 'created' }, command, START).state).toBe(
      expected,
    );
    expect(
      commandAfter({ ...base, state: 'success' }, { state, reason: null } as Hold, { type: 'confirm', jobId: 1 }),
    ).toBe(null);
  });
});

describe('what a deployment asks', () => {
  const member = (id: number, more: Partial<Member> = {}): Member => ({
    person: { id, username: `u${id}`, name: `U${id}`, blocked: false },
    accessLevel: 0,
    groups: [],
    ...more,
  });
  const operator = member(71, { groups: [{ id: 61, inherited: false }] });

  it('T16 of nobody is met by nobody: without a list, and with an empty one, nobody deploys', () => {
    expect(mayDeploy([], operator)).toBe(false);
    expect(mayDeploy([[]], operator)).toBe(false);
    expect(mayDeploy([[operators], []], operator)).toBe(false);
    expect(mayDeploy([[operators]], operator)).toBe(true);
    expect(mayDeploy([[operators]], undefined)).toBe(false);
  });

  it('is combined to the strictest of all protections', () => {
    const lax = {
      onNoDeployAccess: 'wait',
      rerun: 'allow',
      rollback: { rules: [levelRule('one', 30, 1)], withinMs: 1_000 },
      allowPipelineTriggerApprove: true,
      notOlderThanLastSuccess: false,
      liveMs: 60_000,
    } as const;
    const strict = { ...lax, onNoDeployAccess: 'refuse', notOlderThanLastSuccess: true } as const;
    const shorter = { ...lax, rollback: { rules: [levelRule('two', 40, 2)], withinMs: 500 }, liveMs: 0 } as const;
    const both = combined([
      protection({ options: strict }),
      protection({ options: shorter, source: 'project:production' }),
    ]);
    expect(both.options).toMatchObject({
      onNoDeployAccess: 'refuse',
      rerun: 'allow',
      allowPipelineTriggerApprove: true,
      notOlderThanLastSuccess: true,
      liveMs: 0,
    });
    expect(both.options.rollback).toEqual({ rules: [levelRule('one', 30, 1), levelRule('two', 40, 2)], withinMs: 500 });
    expect([both.rules.length, both.deployAccess.length]).toEqual([2, 2]);
    const none = combined([protection({ options: lax }), protection()]).options;
    expect(none).toMatchObject({ rerun: 'require_approval', rollback: null, allowPipelineTriggerApprove: false });
  });

  it('T21 by a lighter kind is asked in full where no lighter rule holds any more', () => {
    const full = askedRules(rules, 'deploy');
    expect(askedRules(rules, 'rerun')).toEqual(full);
    expect(askedRules(rules, 'rollback')).toEqual(full);
    expect(askedRules({ ...rules, options: { ...rules.options, rerun: 'allow' } }, 'rerun')).toEqual([]);
  });

  it('T18 excludes the trigger, and nobody who wrote the commit; a claimed trigger in every mode', () => {
    expect(base.requirement.excluded).toEqual([9]);
    const open = combined([protection({ options: { ...STRICT_OPTIONS, allowPipelineTriggerApprove: true } })]);
    expect(deploymentRequirement(policy, open, 'deploy', trigger).excluded).toEqual([]);
    const claimed = { ...trigger, verified: 'unverified' } as const;
    expect(deploymentRequirement(policy, open, 'deploy', claimed).excluded).toEqual([9]);
  });

  it('T19 is corrected by what is so now, in both directions, and not at all once it runs', () => {
    const maria = member(21, { accessLevel: 40 });
    const vote = {
      deployment: 3,
      person: maria.person,
      decision: 'approve',
      representedAs: null,
      comment: null,
      at: START,
    } as const;
    const started = { person: opal, at: START };
    const said = (deployment: Deployment, members: readonly Member[], broken: { reason: string } | null = null) =>
      correctionsOf(deployment, null, [vote], members, broken).map(({ type }) => type);
    expect(said(base, [maria])).toEqual(['approve']);
    expect(said(base, [])).toEqual([]);
    const created = { ...base, state: 'created', started } as const;
    expect(said(created, [maria, operator])).toEqual([]);
    expect(said(created, [operator])).toEqual(['block']);
    expect(said(created, [maria])).toEqual(['stop']);
    expect(said(created, [maria, operator], { reason: 'broken' })).toEqual(['block']);
    expect(said({ ...created, state: 'running' }, [])).toEqual([]);
    expect([isThrough(created), isThrough(base), isThrough({ ...created, started: null })]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
