import { z } from 'zod';
import { sightOf } from '../../app/see.ts';
import { verifyAudit } from '../../app/verify-audit.ts';
import * as api from '../../wire/api.ts';
import { asks, none, page, paged, pageOf, type Route, route } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

const auditQuery = page.extend({ hold: z.coerce.number().int().positive().optional() });

/** The audit: look, check, export. */
export function auditRoutes({ hub, exportAudit }: RouteContext): readonly Route[] {
  const { store } = hub;
  return [
    route('GET', '/api/v1/audit', 'What happened, newest last; with scope admin all of it', asks('read'), {
      query: auditQuery,
      reply: api.pageOf(api.auditRowSchema),
      handle: async ({ query, caller }) => {
        const sight = caller.token.scopes.includes('admin') ? null : await sightOf(hub, caller);
        const filter = { sight, ...(query.hold !== undefined && { hold: query.hold }) };
        return paged(await store.auditRows(filter, pageOf(query)), query.limit, (row) => row.seq, views.auditView);
      },
    }),
    route('GET', '/api/v1/audit/verify', 'Whether the chain in the store verifies', asks('admin'), {
      reply: api.auditReportSchema,
      handle: async () => views.auditReport(await verifyAudit(store)),
    }),
    {
      method: 'GET',
      url: '/api/v1/audit/export',
      summary: 'The whole chain as lines of JSON, to be verified elsewhere',
      demand: asks('admin'),
      params: none,
      query: none,
      body: null,
      reply: null,
      type: 'application/x-ndjson',
      handle: async () => exportAudit(),
    },
  ];
}
