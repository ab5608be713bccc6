import { HoldpointError } from '../domain/errors.ts';
import { rulesIn } from '../domain/policy.ts';
import { type Explanation, explainPolicy } from '../domain/policy-explain.ts';
import { namedIn } from '../domain/rule.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { sightOf } from './see.ts';

/** The job that somebody asks about; it need not exist. */
export interface AskedJob {
  readonly project: number | string;
  readonly job: string;
  readonly ref: string;
  readonly refProtected: boolean;
  readonly environment: string | null;
  readonly tier: string | null;
}

/** What the policy in force says of a job in a project that the caller may see. Rejects with `not_found`. */
export async function explainFor(
  context: HubContext,
  caller: Caller,
  asked: AskedJob,
  now: number,
): Promise<Explanation> {
  const { project, job, ref, refProtected, environment, tier } = asked;
  const found = await context.directory.project(project);
  const sight = await sightOf(context, caller);
  if (found === null || !sight.projects.includes(found.id)) {
    throw new HoldpointError(
      'not_found',
      `there is no project ${project} that you may see: name it by id or full path`,
    );
  }
  const policy = await context.policy();
  const members = await context.directory.members(found.id, namedIn(rulesIn(policy)));
  const target = { projectId: found.id, projectPath: found.path, job, ref, refProtected, environment };
  return explainPolicy(policy, target, { now, members, tier });
}
