import { checkJobs } from '../../app/check-jobs.ts';
import type { DeclaredJob } from '../../domain/declared-job.ts';
import type { JsonObject } from '../../domain/json.ts';
import { configurationOf } from '../../domain/shown-configuration.ts';
import { checkBody, checkSchema, type DeclaredJobBody } from '../../wire/check.ts';
import type { Demand } from '../auth.ts';
import { type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

/** Each compares a whole pipeline with all that is approved of it. */
const MAX_CHECKS_PER_MINUTE = 30;

const ASKS: Demand = { scope: ['read', 'check'], reads: true };

const CAVEAT =
  'A prediction from the YAML: the digest needs the payload. Values of settings and of earlier jobs, dependencies, secrets, id tokens, rules:variables and the second gate of deployments are not in it.';

const partOf = (value: Record<string, unknown>): JsonObject => configurationOf(value)!;

function declaredJob(body: DeclaredJobBody): DeclaredJob {
  const { after_script: afterScript, image, services, artifacts, cache, hooks, ...rest } = body;
  return {
    ...rest,
    afterScript,
    image: image === null ? null : partOf(image),
    services: services.map(partOf),
    artifacts: artifacts.map(partOf),
    cache: cache.map(partOf),
    hooks: hooks.map(partOf),
  };
}

/** What would wait of a pipeline that is not pushed yet. */
export function checkRoutes({ hub }: RouteContext): readonly Route[] {
  return [
    {
      ...route('POST', '/api/v1/check', 'Which jobs of a YAML file would wait; nothing is stored', ASKS, {
        body: checkBody,
        reply: checkSchema,
        handle: async ({ body, caller }) => {
          const { project, instance = null, ref, protected: refProtected, jobs } = body;
          const asked = { project, instance, ref, refProtected, jobs: jobs.map(declaredJob) };
          const found = await checkJobs(hub, caller, asked);
          return {
            project_id: found.project.id,
            project_path: found.project.path,
            ref,
            ref_protected: refProtected,
            items: found.jobs.map(({ changes, approvers, unknown, ...job }) => ({
              ...job,
              changes: [...changes],
              approvers: approvers.map(({ words, people }) => ({
                words,
                people: people === null ? null : [...people],
              })),
              unknown: [...unknown],
            })),
            caveat: CAVEAT,
          };
        },
      }),
      perMinute: MAX_CHECKS_PER_MINUTE,
    },
  ];
}
