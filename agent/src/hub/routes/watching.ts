import { Readable } from 'node:stream';
import { z } from 'zod';
import { readRecording } from '../../app/watching/look.ts';
import { stopJob } from '../../app/watching/stop.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { stopBody, stoppedSchema } from '../../wire/watching.ts';
import { asks, idParam, type Route, route } from '../route.ts';
import { stopView } from '../watching-views.ts';
import { type RouteContext, VOTES } from './context.ts';

const recordingQuery = z.object({ job: z.coerce.number().int().positive().optional() });

/** Jobs that run: stop one, take the recording of one. */
export function watchingRoutes({ hub, detached, reach }: RouteContext): readonly Route[] {
  return [
    route('POST', '/api/v1/holds/:id/stop', 'Stop the job while it runs', VOTES, {
      params: idParam,
      body: stopBody,
      reply: stoppedSchema,
      handle: async ({ params, body, caller }) => {
        const { hold, stop } = await stopJob(hub, caller, { hold: params.id, comment: body.comment });
        // The agent ends it whatever GitLab says; where the caller may, GitLab is told in their name as well (T52).
        const own = body.gitlab_token ?? null;
        if (own !== null || detached.until(caller) !== null)
          await detached.cancelJob(caller, params.id, own).catch((error: unknown) => {
            if (!(error instanceof HoldpointError)) throw error;
          });
        const { cause: _, ...told } = stopView(stop);
        const agent = hold.attempts.find(({ jobId }) => jobId === stop.jobId)?.agent ?? '';
        return { id: params.id, ...told, agent, agent_connected: reach.connected(agent) !== null };
      },
    }),
    {
      method: 'GET',
      url: '/api/v1/holds/:id/recording',
      summary: 'The recording of a job, asciicast v2; the newest unless `job` names another',
      demand: asks('read'),
      params: idParam,
      query: recordingQuery,
      body: null,
      reply: null,
      type: 'application/x-asciicast',
      handle: async ({ params, query, caller }) => {
        const { id } = params as z.output<typeof idParam>;
        const { job = null } = query as z.output<typeof recordingQuery>;
        const whole = caller.token.scopes.some((scope) => scope === 'audit' || scope === 'admin');
        return Readable.from(await readRecording(hub, caller, whole, { hold: id, job }));
      },
    },
  ];
}
