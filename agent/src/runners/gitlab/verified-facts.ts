import type { CommitPerson, Facts } from '../../domain/facts.ts';
import type { VerifiedFacts } from '../../ports/ci-server.ts';
import { isSlugOf } from './environment.ts';

/** What GitLab answered to a job's own token; null where it could not be asked. */
export interface JobAnswers {
  /** `GET /api/v4/job` */
  readonly job: unknown;
  /** `GET /api/v4/job/allowed_agents` */
  readonly agents: unknown;
  /** Ids of the jobs of the job's own pipeline, as GitLab lists them. */
  readonly pipelineJobs?: ReadonlySet<number> | null;
  /** Makers of every commit that the run adds to its ref, where somebody may ask for them. */
  readonly commits?: readonly unknown[] | null;
}

/** GitLab compares 100 commits at most, each with two people. */
const MAX_PEOPLE = 200;

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
  // GitLab may name the slug alone: a typed name that no such slug can belong to is another environment's (T17, T50).
  if (name === null && slug !== null && !isSlugOf(slug, claimed.name)) {
    return { ok: false, reason: `its variables name the environment ${claimed.name}, GitLab deploys it to ${slug}` };
  }
  for (const [what, ours, theirs] of pairs) {
    if (ours === null || theirs === null || ours === theirs) continue;
    return { ok: false, reason: `its variables give the environment's ${what} as ${ours}, GitLab as ${theirs}` };
  }
  return {
    ok: true,
    environment: { ...claimed, slug: claimed.slug ?? slug, tier: claimed.tier ?? tier, verified: true },
  };
}

/** Roles in words of GitLab's; a list of anything else is none. */
function rolesOf(agents: Fields | null): readonly string[] {
  const roles = fields(agents?.user)?.roles_in_project;
  return Array.isArray(roles) ? roles.flatMap((role) => textOf(role) ?? []).slice(0, 20) : [];
}

/** Author and committer of a commit as GitLab shows it. */
function makersOf(commit: Fields): readonly CommitPerson[] {
  return (['author', 'committer'] as const).flatMap((role) => {
    const name = textOf(commit[`${role}_name`]);
    const email = textOf(commit[`${role}_email`]);
    return name === null && email === null ? [] : [{ role, id: null, name: name ?? '', email }];
  });
}

/** Who stands in the commit of the job, and in those before it where they could be asked for; each once. */
function peopleOf(facts: Facts, job: Fields | null, commits: JobAnswers['commits']): Facts['commit']['people'] {
  const own = fields(job?.commit);
  const all = [own, ...(commits ?? []).map(fields)].flatMap((commit) => (commit === null ? [] : makersOf(commit)));
  // What the payload says stays beside it: one excluded too many only asks somebody else (T18).
  const people = [...all, ...(facts.commit.people ?? [])];
  const seen = new Set<string>();
  const once = people.filter(({ role, name, email }) => {
    const key = JSON.stringify([role, name, email]);
    return !seen.has(key) && seen.add(key).size > 0;
  });
  return once.length === 0 ? null : once.slice(0, MAX_PEOPLE);
}

/** Each dependency, and whether GitLab lists it among the jobs of the same pipeline; null where it could not be asked (T48). */
function dependenciesOf(facts: Facts, jobs: JobAnswers['pipelineJobs']): Facts['dependencies'] {
  return facts.dependencies.map((one) => ({
    ...one,
    samePipeline: jobs ? one.jobId !== null && jobs.has(one.jobId) : null,
  }));
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
  const project = idOf(fields(agents?.project)?.id);
  if (project !== null && project !== facts.project.id) {
    return { ok: false, reason: `it says that it is of project ${facts.project.id}, GitLab has it in ${project}` };
  }
  const pipeline = idOf(fields(job?.pipeline)?.id) ?? idOf(fields(agents?.pipeline)?.id);
  if (pipeline !== null && facts.pipeline.id !== null && pipeline !== facts.pipeline.id) {
    return { ok: false, reason: `it says that it is of pipeline ${facts.pipeline.id}, GitLab has it in ${pipeline}` };
  }
  const environment = environmentOf(facts, agents);
  if (!environment.ok) return environment;
  const source = textOf(fields(job?.pipeline)?.source) ?? textOf(job?.source);
  const merged = {
    ...facts,
    trigger: triggerOf(facts, job, agents),
    pipeline: {
      ...facts.pipeline,
      id: facts.pipeline.id ?? pipeline,
      source: source ?? facts.pipeline.source,
      verified: source !== null,
    },
    commit: { ...facts.commit, people: peopleOf(facts, job, answers.commits) },
    roles: rolesOf(agents),
    dependencies: dependenciesOf(facts, answers.pipelineJobs),
    environment: environment.environment,
  };
  return { ok: true, facts: merged };
}
