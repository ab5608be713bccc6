import type { Facts } from '../../domain/facts.ts';
import type { VerifiedFacts } from '../../ports/ci-server.ts';

/** What GitLab answered to a job's own token; null where it could not be asked. */
export interface JobAnswers {
  /** `GET /api/v4/job` */
  readonly job: unknown;
  /** `GET /api/v4/job/allowed_agents` */
  readonly agents: unknown;
}

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value.slice(0, 1_024) : null;
const idOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : null;

function triggerOf(facts: Facts, job: Fields | null, agents: Fields | null): Facts['trigger'] {
  // Either answer names the same user; the first has the pipeline too.
  const user = fields(job?.user) ?? fields(agents?.user);
  const id = idOf(user?.id);
  if (user === null || id === null) return facts.trigger;
  return { id, username: textOf(user.username), name: textOf(user.name), verified: 'gitlab' };
}

type Environment =
  | { readonly ok: true; readonly environment: Facts['environment'] }
  | { readonly ok: false; readonly reason: string };

/** The environment as variables name it, held against GitLab's own: approvers are asked about what GitLab deploys to. */
function environmentOf(facts: Facts, agents: Fields | null): Environment {
  const claimed = facts.environment;
  if (agents === null) return { ok: true, environment: claimed === null ? null : { ...claimed, verified: false } };
  const real = fields(agents.environment);
  if (real === null) {
    if (claimed === null) return { ok: true, environment: null };
    return {
      ok: false,
      reason: `its variables name the environment ${claimed.name}, GitLab knows of none for this job`,
    };
  }
  const slug = textOf(real.slug);
  const [name, tier] = [textOf(real.name), textOf(real.tier)];
  if (claimed === null) {
    return { ok: false, reason: `GitLab deploys it to ${name ?? slug ?? 'an environment'}, its variables name none` };
  }
  const pairs = [
    ['name', claimed.name, name],
    ['slug', claimed.slug, slug],
    ['tier', claimed.tier, tier],
  ] as const;
  for (const [what, ours, theirs] of pairs) {
    if (ours === null || theirs === null || ours === theirs) continue;
    return { ok: false, reason: `its variables give the environment's ${what} as ${ours}, GitLab as ${theirs}` };
  }
  return {
    ok: true,
    environment: { ...claimed, slug: claimed.slug ?? slug, tier: claimed.tier ?? tier, verified: true },
  };
}

/**
 * Facts with what GitLab itself says of trigger, source and environment. What it did not say stays as the payload has it,
 * unverified; what contradicts it is refused. No variable can lie about the trigger (T17).
 */
export function verifiedFacts(facts: Facts, answers: JobAnswers): VerifiedFacts {
  const [job, agents] = [fields(answers.job), fields(answers.agents)];
  const named = [idOf(job?.id), idOf(fields(agents?.job)?.id)];
  if (named.some((id) => id !== null && id !== facts.job.id)) {
    return { ok: false, reason: 'its token belongs to another job' };
  }
  const environment = environmentOf(facts, agents);
  if (!environment.ok) return environment;
  const source = textOf(fields(job?.pipeline)?.source) ?? textOf(job?.source);
  const merged = {
    ...facts,
    trigger: triggerOf(facts, job, agents),
    pipeline: { ...facts.pipeline, source: source ?? facts.pipeline.source },
    environment: environment.environment,
  };
  return { ok: true, facts: merged };
}
