import { z } from 'zod';
import { type Proposal, propose } from '../../app/propose.ts';
import { type ProposalView, proposalSchema } from '../../wire/proposal.ts';
import { asks, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

const query = z.object({ days: z.coerce.number().int().min(1).max(90).default(30) });
const time = (at: number): string => new Date(at).toISOString();

function proposalView({ since, approvals, tolerate, runs, cut }: Proposal): ProposalView {
  return {
    since: time(since),
    approvals: approvals.map((one) => ({
      project_id: one.subject.projectId,
      project_path: one.projectPath,
      job: one.subject.job,
      digest: one.digest,
      environment: one.places[0]?.environment ?? null,
      refs: one.places.map(({ ref }) => ref),
      runs: one.runs,
      triggers: one.triggers.map(({ id, username }) => ({ id, username })),
      first_at: time(one.firstAt),
      last_at: time(one.lastAt),
      alike: [...one.alike],
      summary: one.summary,
    })),
    tolerate: tolerate.map(({ project, projectPath, job, yaml }) => ({
      project_id: project,
      project_path: projectPath,
      job,
      yaml,
    })),
    runs: { ...runs },
    cut,
  };
}

/** What runners in `mode: monitor` have shown. */
export function proposalRoutes({ hub }: RouteContext): readonly Route[] {
  return [
    route(
      'GET',
      '/api/v1/proposal',
      'The smallest set of approvals and lines of the policy that would have let through what ran unguarded',
      asks('read'),
      {
        query,
        reply: proposalSchema,
        handle: async ({ query: { days }, caller }) => proposalView(await propose(hub, caller, days)),
      },
    ),
  ];
}
