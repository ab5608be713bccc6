import { askDeploymentStepUp } from '../../app/deployments/vote.ts';
import { addPasskey, beginPasskey, confirmPasskey, listPasskeys, removePasskey } from '../../app/passkeys.ts';
import { askHoldStepUp } from '../../app/step-up.ts';
import { codeOf, type Passkey } from '../../domain/passkey.ts';
import { challengeBody } from '../../wire/api.ts';
import * as wire from '../../wire/passkeys.ts';
import { idParam, none, type Route, route } from '../route.ts';
import { type RouteContext, VOTES } from './context.ts';
import { decisionOf } from './holds.ts';

const time = (ms: number) => new Date(ms).toISOString();

function view(passkey: Passkey, mine: boolean): wire.PasskeyView {
  const { confirmed, lastUsedAt, person } = passkey;
  return {
    id: passkey.id,
    owner: person.username,
    owner_id: person.id,
    mine,
    name: passkey.name,
    created_at: time(passkey.createdAt),
    confirmed_at: confirmed && time(confirmed.at),
    confirmed_by: confirmed?.username ?? null,
    last_used_at: lastUsedAt === null ? null : time(lastUsedAt),
    code: mine ? codeOf(passkey) : null,
  };
}

/** Passkeys: made, confirmed by somebody else, removed; and what they are asked for. */
export function passkeyRoutes({ hub }: RouteContext): readonly Route[] {
  return [
    route(
      'GET',
      '/api/v1/passkeys',
      "One's own passkeys, and those of others that one may confirm",
      { scope: null },
      {
        reply: wire.passkeysSchema,
        handle: async ({ caller }) => ({
          items: (await listPasskeys(hub, caller)).map(({ passkey, mine }) => view(passkey, mine)),
        }),
      },
    ),
    route(
      'POST',
      '/api/v1/passkeys/challenge',
      'What a browser is given to make a passkey',
      { scope: null, vote: true },
      {
        body: none.nullish(),
        reply: wire.optionsSchema,
        handle: async ({ caller }) => (await beginPasskey(hub, caller)) as { challenge: string },
      },
    ),
    route(
      'POST',
      '/api/v1/passkeys',
      'Add the passkey that the browser made; somebody else confirms it',
      { scope: null, vote: true },
      {
        body: wire.addPasskeyBody,
        reply: wire.passkeySchema,
        status: 201,
        handle: async ({ caller, body }) =>
          view(await addPasskey(hub, caller, body.challenge, body.response, body.name), true),
      },
    ),
    // As few as votes: a code has 40 bits.
    route(
      'POST',
      '/api/v1/passkeys/:id/confirm',
      "Confirm somebody else's passkey with the code that they told",
      { scope: null, vote: true },
      {
        params: idParam,
        body: wire.confirmPasskeyBody,
        reply: wire.passkeySchema,
        handle: async ({ caller, params, body }) =>
          view(await confirmPasskey(hub, caller, params.id, body.code), false),
      },
    ),
    route(
      'POST',
      '/api/v1/passkeys/:id/remove',
      "Remove a passkey: one's own, with scope admin anybody's",
      { scope: null },
      {
        params: idParam,
        body: none.nullish(),
        reply: wire.passkeySchema,
        handle: async ({ caller, params }) => {
          const removed = await removePasskey(hub, caller, params.id);
          return view(removed, removed.person.id === caller.person.id);
        },
      },
    ),
    route(
      'POST',
      '/api/v1/deployments/:id/challenge',
      'What an approve of this Deployment is still asked for, a passkey above all',
      { scope: null, vote: true },
      {
        params: idParam,
        body: wire.deploymentChallengeBody,
        reply: wire.stepUpSchema,
        handle: async ({ caller, params, body }) => {
          const wish = { deployment: params.id, representedAs: body.represented_as ?? null };
          const asked = await askDeploymentStepUp(hub, caller, wish);
          return { ...asked, options: asked.options as { challenge: string } | null };
        },
      },
    ),
    route(
      'POST',
      '/api/v1/holds/:id/challenge',
      'What an approve of this Hold is still asked for, a passkey above all',
      VOTES,
      {
        params: idParam,
        body: challengeBody,
        reply: wire.stepUpSchema,
        handle: async ({ caller, params, body }) => {
          const asked = await askHoldStepUp(hub, caller, decisionOf(params.id, body));
          return { ...asked, options: asked.options as { challenge: string } | null };
        },
      },
    ),
  ];
}
