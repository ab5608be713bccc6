import { z } from 'zod';
import { type Figures, figures } from '../../app/figures.ts';
import { type FiguresView, figuresSchema } from '../../wire/figures.ts';
import { asks, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

const query = z.object({ days: z.coerce.number().int().min(1).max(366).default(30) });
const time = (at: number): string => new Date(at).toISOString();

function figuresView({ since, waiting, answered, days, people, groups, hasty, causes, cut }: Figures): FiguresView {
  return {
    since: time(since),
    waiting: { open: waiting.open, oldest_at: waiting.oldestAt === null ? null : time(waiting.oldestAt) },
    answered: { count: answered.count, p50_ms: answered.p50Ms, p95_ms: answered.p95Ms },
    days: days.map(({ day, answered: count, p50Ms, p95Ms }) => ({
      day,
      answered: count,
      p50_ms: p50Ms,
      p95_ms: p95Ms,
    })),
    people: people.map(({ person, approves, rejects, hasty: soon, timed }) => ({
      ...person,
      approves,
      rejects,
      hasty: soon,
      timed,
    })),
    groups: groups.map((group) => ({ ...group })),
    hasty: { ...hasty },
    causes: causes.map((one) => ({ ...one })),
    cut,
  };
}

/** How people and jobs wait on each other. */
export function figureRoutes({ hub }: RouteContext): readonly Route[] {
  return [
    route(
      'GET',
      '/api/v1/figures',
      'Waiting times, votes and causes of the last days, of what the caller may see',
      asks('read'),
      {
        query,
        reply: figuresSchema,
        handle: async ({ query: { days }, caller }) => figuresView(await figures(hub, caller, days)),
      },
    ),
  ];
}
