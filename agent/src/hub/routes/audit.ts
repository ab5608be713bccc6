import { Readable } from 'node:stream';
import { z } from 'zod';
import { bundleOfDeployment, bundleOfHold } from '../../app/bundle.ts';
import { type AuditKeeper, signedHead, verifyStore } from '../../app/checkpoint.ts';
import { exportAudit } from '../../app/export-audit.ts';
import type { Caller, HubContext } from '../../app/hub-context.ts';
import { sightOf } from '../../app/see.ts';
import { eventsOf } from '../../domain/audit-events.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { AuditFilter, OrderedPage } from '../../ports/store.ts';
import * as api from '../../wire/api.ts';
import { auditReportSchema, auditRowSchema, envelopeSchema, hubKeySchema, signedHeadSchema } from '../../wire/audit.ts';
import type { Demand } from '../auth.ts';
import { bundleEnvelope, bundleHtml } from '../bundle.ts';
import { type Input, idParam, none, page, paged, project, type Route, route } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

/** What an auditor's token has; an administrator's does too. */
const WHOLE = ['audit', 'admin'] as const;
const AUDITORS: Demand = { scope: WHOLE };
const READERS: Demand = { scope: ['read', ...WHOLE] };
/** Each is written into the audit, and proved anew: as few as votes (T30). */
const BUNDLES: Demand = { ...READERS, vote: true };

/** Words of one question, and events that they stand for: more is a question for the export. */
const MAX_WORDS = 20;
const DAY_MS = 86_400_000;

const id = z.coerce.number().int().positive().optional();
const moment = z.union([z.iso.datetime(), z.iso.date()], 'a time is 2026-11-22T08:00:00Z, a day 2026-11-22').optional();
const auditQuery = page.extend({
  hold: id,
  review: id,
  deployment: id,
  approval: id,
  project,
  /** A user by id or user name. */
  person: z.string().min(1).max(255).optional(),
  /** Events or kinds of events, separated by commas. */
  event: z
    .string()
    .regex(/^[a-z0-9_-]{1,64}(,[a-z0-9_-]{1,64})*$/, 'events are words, separated by commas')
    .optional(),
  /** A day as the end is that whole day. */
  since: moment,
  until: moment,
  sort: z.enum(['asc', 'desc']).default('asc'),
});
type Query = z.output<typeof auditQuery>;

/** True for a token that may read all of the audit, whatever its owner may see. */
export function readsAll(caller: Caller): boolean {
  return WHOLE.some((scope) => caller.token.scopes.includes(scope));
}

async function projectOf(hub: HubContext, wanted: number | string): Promise<number> {
  if (typeof wanted === 'number') return wanted;
  const [first, ...others] = await hub.store.projectsNamed(wanted);
  if (first === undefined)
    throw new HoldpointError('not_found', `no hold is known of a project ${wanted}: give its full path, or its id`);
  if (others.length === 0) return first;
  throw new HoldpointError(
    'bad_input',
    `${wanted} has been the path of projects ${[first, ...others].join(', ')}: give the id of one`,
  );
}

async function personOf(hub: HubContext, wanted: string): Promise<number> {
  if (/^[1-9]\d{0,14}$/.test(wanted)) return Number(wanted);
  const person = await hub.directory.personNamed(wanted);
  if (person !== null) return person.id;
  throw new HoldpointError('not_found', `user ${wanted} is not known to the directory: give the id of the user`);
}

function eventsFor(words: string): readonly string[] {
  const wanted = words.split(',');
  if (wanted.length <= MAX_WORDS) return [...new Set(wanted.flatMap(eventsOf))];
  throw new HoldpointError('bad_input', `at most ${MAX_WORDS} events at once: leave some out, or take the export`);
}

const endOf = (text: string): number => Date.parse(text) + (text.length === 10 ? DAY_MS : 0);

async function filterOf(hub: HubContext, caller: Caller, query: Query): Promise<AuditFilter> {
  const { hold, review, deployment, approval, project: wanted, person, event, since, until } = query;
  return {
    sight: readsAll(caller) ? null : await sightOf(hub, caller),
    ...(hold !== undefined && { hold }),
    ...(review !== undefined && { review }),
    ...(deployment !== undefined && { deployment }),
    ...(approval !== undefined && { approval }),
    ...(wanted !== undefined && { project: await projectOf(hub, wanted) }),
    ...(person !== undefined && { person: await personOf(hub, person) }),
    ...(event !== undefined && { events: eventsFor(event) }),
    ...(since !== undefined && { since: Date.parse(since) }),
    ...(until !== undefined && { until: endOf(until) }),
  };
}

function pageFor({ cursor, limit, sort }: Query): OrderedPage {
  return { after: Number(cursor ?? 0), limit: limit + 1, newest: sort === 'desc' };
}

async function headOf(hub: HubContext, { signer }: AuditKeeper) {
  const signed = await signedHead(hub, signer);
  if (signed === null) throw new HoldpointError('not_found', 'nothing has happened yet: there is no head to sign');
  return views.signedHeadView(signed, signer);
}

/** The audit: look, check, export. */
export function auditRoutes({ hub, keeper }: RouteContext): readonly Route[] {
  const { store } = hub;
  /** Of one thing: the envelope to be verified, and the page to be read. */
  const bundles = (things: string, make: typeof bundleOfHold): readonly Route[] => {
    const partsFor = ({ params, caller }: Pick<Input<unknown, unknown, unknown>, 'params' | 'caller'>) =>
      make(hub, keeper, caller, readsAll(caller), (params as z.output<typeof idParam>).id);
    const url = `/api/v1/audit/bundle/${things}/:id`;
    return [
      route('GET', url, `All that is known of one of the ${things}, signed, with its proof`, BUNDLES, {
        params: idParam,
        reply: envelopeSchema,
        handle: async (input) => bundleEnvelope(hub, await partsFor(input), input.caller, keeper.signer),
      }),
      {
        method: 'GET',
        url: `${url}/page`,
        summary: 'The same as a plain page to be read',
        demand: BUNDLES,
        params: idParam,
        query: none,
        body: null,
        reply: null,
        type: 'text/html; charset=utf-8',
        handle: async (input) => bundleHtml(hub, await partsFor(input), input.caller, keeper.signer),
      },
    ];
  };
  return [
    route('GET', '/api/v1/audit', 'What happened; with scope audit or admin all of it', READERS, {
      query: auditQuery,
      reply: api.pageOf(auditRowSchema),
      handle: async ({ query, caller }) => {
        const rows = await store.auditRows(await filterOf(hub, caller, query), pageFor(query));
        return paged(rows, query.limit, (row) => row.seq, views.auditView);
      },
    }),
    route('GET', '/api/v1/audit/verify', 'Whether the chain in the store verifies', AUDITORS, {
      reply: auditReportSchema,
      handle: async () => views.auditReport(await verifyStore(hub, keeper)),
    }),
    route('GET', '/api/v1/audit/key', 'The public key that the audit is signed with', null, {
      reply: hubKeySchema,
      handle: async () => views.hubKeyView(keeper.signer),
    }),
    route('GET', '/api/v1/audit/head', 'Where the audit ends now, signed', AUDITORS, {
      reply: signedHeadSchema,
      handle: () => headOf(hub, keeper),
    }),
    ...bundles('holds', bundleOfHold),
    ...bundles('deployments', bundleOfDeployment),
    {
      method: 'GET',
      url: '/api/v1/audit/export',
      summary: 'The whole chain as lines of JSON with its signed head, to be verified elsewhere',
      demand: AUDITORS,
      params: none,
      query: none,
      body: null,
      reply: null,
      type: 'application/x-ndjson',
      handle: async ({ caller }) => Readable.from(exportAudit(hub, keeper.signer, caller)),
    },
  ];
}
