import { admit } from '../../agent/src/app/admit.ts';
import {
  protectEnvironment,
  unprotectEnvironment,
  updateEnvironment,
} from '../../agent/src/app/deployments/edit-environment.ts';
import { inspectDeployment } from '../../agent/src/app/deployments/look.ts';
import { runDeployment } from '../../agent/src/app/deployments/run.ts';
import { approveDeployment, rejectDeployment } from '../../agent/src/app/deployments/vote.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { Deployment } from '../../agent/src/domain/deployment.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import type { EnvironmentKey, EnvironmentWish } from '../../agent/src/domain/protected-environment.ts';
import type { AdmitAnswer } from '../../agent/src/ports/gatekeeper.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import { factsFor, hubWorld, type JobSpec, PEOPLE, requestFor, type World } from './hub-world.ts';

const TEAMS = [
  { id: 61, path: 'operator-group', names: ['opal', 'otto'] },
  { id: 62, path: 'qa-group', names: ['quinn', 'quentin'] },
  { id: 63, path: 'security-group', names: ['sam', 'sina', 'sue'] },
];
const IDS: Readonly<Record<string, number>> = {
  opal: 71,
  otto: 72,
  quinn: 73,
  quentin: 74,
  sam: 75,
  sina: 76,
  sue: 77,
};

/** Beside those of the hub world three teams that belong to no project: operators, quality assurance, security. */
export const TEAM_PEOPLE: Principals = {
  ...PEOPLE,
  users: [
    ...PEOPLE.users,
    ...Object.entries(IDS).map(([username, id]) => ({ id, username, name: username.toUpperCase(), blocked: false })),
  ],
  groups: [
    ...PEOPLE.groups,
    ...TEAMS.map(({ id, path, names }) => ({
      id,
      path,
      members: names.map((name) => ({ user: IDS[name]!, accessLevel: 20 })),
    })),
  ],
};

/** Production as in GitLab's own example: operators deploy, one of quality assurance and two of security approve. */
export const PRODUCTION = `
environments:
  - name: production
    environments: [production]
    deploy_access_levels: [{ group: operator-group }]
    approval_rules:
      - { name: qa, group: qa-group, count: 1 }
      - { name: security, group: security-group, count: 2 }
`;

/** What a test says of a run; the rest is a deploy job of maria's on main, to production. */
export interface RunSpec extends JobSpec {
  readonly sha?: string;
  readonly tier?: string | null;
  readonly verifiedEnvironment?: boolean;
  /** What it does to the environment; it starts it. */
  readonly action?: string;
}

/** A hub world in which people deploy. */
export interface DeploymentWorld extends World {
  policyText(text: string): void;
  /** Admits a run; the answer is the verdict, its Deployment is looked up by the Hold. */
  deploy(run: RunSpec): Promise<AdmitAnswer>;
  deployment(hold: number): Promise<Deployment>;
  vote(who: string, deployment: number, representedAs?: string | null): Promise<Deployment>;
  refuse(who: string, deployment: number): Promise<Deployment>;
  run(who: string, deployment: number): Promise<Deployment>;
  look(who: string, deployment: number): ReturnType<typeof inspectDeployment>;
  protect(who: string, key: EnvironmentKey, wish: EnvironmentWish): ReturnType<typeof protectEnvironment>;
  change(who: string, key: EnvironmentKey, wish: EnvironmentWish): ReturnType<typeof updateEnvironment>;
  unprotect(who: string, key: EnvironmentKey): ReturnType<typeof unprotectEnvironment>;
  /** Hand-over, its confirmation and its end, as an agent reports them. */
  runs(hold: number, jobId: number, status?: 'success' | 'failed' | 'canceled'): Promise<void>;
}

function factsOf(run: RunSpec): Facts {
  const facts = factsFor({ name: 'deploy', by: 'maria', environment: 'production', ...run });
  const by = TEAM_PEOPLE.users.find(({ username }) => username === facts.trigger.username);
  return {
    ...facts,
    trigger: { ...facts.trigger, id: by?.id ?? null },
    commit: { ...facts.commit, sha: run.sha ?? facts.commit.sha },
    environment:
      facts.environment === null
        ? null
        : {
            ...facts.environment,
            tier: run.tier ?? null,
            verified: run.verifiedEnvironment ?? true,
            action: run.action ?? 'start',
          },
  };
}

/** Opens the world; the policy protects nothing until a test says so. */
export async function deploymentWorld(policy = '', given: { store?: Store } = {}): Promise<DeploymentWorld> {
  const world = await hubWorld(given);
  world.people = TEAM_PEOPLE;
  const { context } = world;
  const deployer = (who: string) => world.caller(who, ['read', 'approve', 'deploy']);
  const more: Omit<DeploymentWorld, keyof World> = {
    policyText: (text) => {
      world.policy = readPolicy(text, 'policy.yaml');
    },
    deploy: (run) => admit(context, run.agent ?? 'embedded', { ...requestFor(run), facts: factsOf(run) }),
    async deployment(hold) {
      const found = await world.store.deploymentOfHold(hold);
      if (found === null) throw new Error(`hold ${hold} has no deployment`);
      return found;
    },
    vote: (who, deployment, representedAs = null) =>
      approveDeployment(context, deployer(who), { deployment, comment: null, representedAs }),
    refuse: (who, deployment) =>
      rejectDeployment(context, deployer(who), { deployment, comment: 'not like this', representedAs: null }),
    run: (who, deployment) => runDeployment(context, deployer(who), deployment),
    look: (who, deployment) => inspectDeployment(context, deployer(who), deployment),
    protect: (who, key, wish) => protectEnvironment(context, deployer(who), key, wish),
    change: (who, key, wish) => updateEnvironment(context, deployer(who), key, wish),
    unprotect: (who, key) => unprotectEnvironment(context, deployer(who), key),
    async runs(hold, jobId, status = 'success') {
      await world.report('embedded', { hold, jobId, event: 'handed_out' });
      await world.report('embedded', { hold, jobId, event: 'confirmed' });
      await world.report('embedded', { hold, jobId, event: 'ended', detail: { status } });
    },
  };
  // The world's own members change what the context reads: it must stay the same object.
  Object.assign(world, more);
  if (policy !== '') more.policyText(policy);
  return world as DeploymentWorld;
}

/** The code that something rejects with; what it does not reject with at all is said. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof HoldpointError) return error.code;
    throw error;
  }
}
