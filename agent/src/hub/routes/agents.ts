import { verify } from 'node:crypto';
import { enrol, invite, revokeAgent } from '../../app/enrol.ts';
import { agentWarnings } from '../../domain/agent-warnings.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Token } from '../../domain/token.ts';
import type { AgentRecord } from '../../ports/store.ts';
import * as wire from '../../wire/agents.ts';
import * as api from '../../wire/api.ts';
import { enrolText } from '../../wire/link.ts';
import type { Demand } from '../auth.ts';
import { publicKeyOf } from '../link-auth.ts';
import { asks, page, type Route, route } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

/** A machine that sets hosts up has a token that can do nothing else. */
const ENROLS: Demand = { scope: ['admin', 'agent'] };

/** Agents: list, invite, revoke; and the one thing that a host without a key may ask. */
export function agentRoutes({ hub, links, keeper, reach, local }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  const shown = async (agents: readonly AgentRecord[], { scopes }: Pick<Token, 'scopes'>) => {
    const policy = { version: (await hub.policy()).version, loadedAt: hub.policyStatus?.().loadedAt ?? null };
    return agents.map((agent) => {
      const seen = reach.connected(agent.name);
      const isLocal = local.includes(agent.name);
      const warnings =
        seen === null ? refusedWords(agent.name) : agentWarnings({ ...seen, isLocal }, policy, clock.now());
      return views.agentView(agent, seen, { scopes, warnings, policy: policy.version });
    });
  };
  const refusedWords = (name: string): readonly string[] => {
    const refusal = links.refusal(name);
    if (refusal === null) return [];
    const at = new Date(refusal.at).toISOString();
    return [`who calls itself ${name} was refused at ${at}, and has proved nothing: ${refusal.words}`];
  };
  const refuseFixed = (name: string): void => {
    if (!links.isFixed(name)) return;
    const way = 'its key is made at each start and needs no enrolment; give the other host another name';
    throw new HoldpointError('wrong_state', `agent ${name} is in this hub's own process: ${way}`);
  };
  return [
    route('GET', '/api/v1/agents', 'Agents that this hub knows', asks('read'), {
      query: page,
      reply: api.pageOf(api.agentSchema),
      handle: async ({ identity }) => ({
        items: await shown(await store.agents(), identity.token),
        next_cursor: null,
      }),
    }),
    route(
      'POST',
      '/api/v1/agents/:name/examine',
      'An agent looks at its host now, and tells what it found',
      asks('admin'),
      {
        params: wire.agentParam,
        body: wire.examineBody,
        reply: api.statusSchema,
        handle: async ({ params }) => {
          if (!(await store.agents()).some(({ name }) => name === params.name))
            throw new HoldpointError('not_found', `there is no agent ${params.name}: "holdpoint agents" lists them`);
          reach.examine(params.name);
          return { status: 'ok' as const };
        },
      },
    ),
    route('POST', '/api/v1/agents', 'Make a one-time token with which a host becomes an agent', ENROLS, {
      body: wire.inviteBody,
      reply: wire.invitationSchema,
      status: 201,
      handle: async ({ body, caller }) => {
        refuseFixed(body.name);
        const { text, agent, expiresAt } = await invite(hub, caller, body.name);
        return { name: agent, token: text, expires_at: new Date(expiresAt).toISOString() };
      },
    }),
    route('POST', '/api/v1/agents/:name/revoke', 'Cut the link of an agent, and refuse it from now on', asks('admin'), {
      params: wire.agentParam,
      body: wire.revokeAgentBody,
      reply: api.agentSchema,
      handle: async ({ params, body, caller, identity }) => {
        refuseFixed(params.name);
        await revokeAgent(hub, caller, params.name, body?.reason ?? null);
        links.cut(params.name, 'this agent was revoked');
        const agent = (await store.agents()).find(({ name }) => name === params.name)!;
        return (await shown([agent], identity.token))[0]!;
      },
    }),
    route('POST', '/api/v1/enrolments', 'Become the agent that a one-time token names, with a key of its own', null, {
      body: wire.enrolBody,
      reply: wire.enrolledSchema,
      status: 201,
      tries: true,
      confidential: true,
      handle: async ({ body, address }) => {
        const publicKey = Uint8Array.from(Buffer.from(body.public_key, 'base64url'));
        const signature = Buffer.from(body.signature, 'base64url');
        const text = Buffer.from(enrolText(body.token, body.public_key));
        const isProved = signature.length === 64 && verify(null, text, publicKeyOf(publicKey), signature);
        const { name } = await enrol(hub, { token: body.token, publicKey, isProved, address });
        // Whoever had the name until now is not who it names any more.
        links.cut(name, 'this agent has enrolled anew, with another key');
        return { agent: name, hub_key: Buffer.from(keeper.signer.publicKey).toString('base64url') };
      },
    }),
  ];
}
