import { HoldpointError } from '../domain/errors.ts';
import { codeOf, MAX_PASSKEYS, type Passkey, typedCode } from '../domain/passkey.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import { base64url, CHALLENGE_MS } from '../domain/step-up.ts';
import type { Passkeys, Signed } from '../ports/passkeys.ts';
import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import { type Settlement, settle } from './settle.ts';

/** Of everybody's that wait for a second person; more are shown when these are done. */
const MAX_LISTED = 200;

/** A passkey as somebody may see it. */
export interface ShownPasskey {
  readonly passkey: Passkey;
  readonly mine: boolean;
  /** What its owner tells whoever confirms it; null for everybody else. */
  readonly code: string | null;
}

function onPage(context: HubContext, caller: Caller): { readonly origin: string; readonly passkeys: Passkeys } {
  if (caller.origin == null || context.passkeys === undefined)
    throw new HoldpointError('forbidden', 'a passkey is made in a browser: sign in on the page and add it there');
  return { origin: caller.origin, passkeys: context.passkeys };
}

async function settled<T>(context: HubContext, caller: Caller, work: (s: Settlement) => Promise<T>): Promise<T> {
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  return settle(context, deciding, work);
}

/** What the browser is given to make a passkey of the caller's. */
export async function beginPasskey(context: HubContext, caller: Caller): Promise<object> {
  const { origin, passkeys } = onPage(context, caller);
  const { person, token } = caller;
  const known = await context.store.passkeysOf(person.id);
  requireRoom(known);
  const challenge = context.random(32);
  const options = await passkeys.registrationOptions(origin, person, challenge, known);
  const now = context.clock.now();
  await context.store.write((tx) =>
    tx.insertChallenge(
      {
        challenge: base64url(challenge),
        nonce: '',
        decision: null,
        person: person.id,
        token: token.id,
        expiresAt: now + CHALLENGE_MS,
        usedAt: null,
      },
      now,
    ),
  );
  return options;
}

function requireRoom(known: readonly Passkey[]): void {
  if (known.length >= MAX_PASSKEYS)
    throw new HoldpointError('wrong_state', `you have ${MAX_PASSKEYS} passkeys: remove one first`);
}

/** Takes the passkey that the browser made. It proves nothing until a second person has confirmed it. */
export async function addPasskey(
  context: HubContext,
  caller: Caller,
  challenge: string,
  response: Signed,
  name: string,
): Promise<Passkey> {
  const { origin, passkeys } = onPage(context, caller);
  const { person, token } = caller;
  const asked = await context.store.challenge(challenge);
  const now = context.clock.now();
  const isTheirs = asked?.person === person.id && asked.token === token.id && asked.decision === null;
  const key =
    asked !== null && isTheirs && asked.expiresAt > now
      ? await passkeys.verifyRegistration(origin, response, challenge)
      : null;
  if (key === null)
    throw new HoldpointError('bad_input', 'this is no passkey that was made here just now: add it again');
  if ((await context.store.passkeyOfCredential(key.credentialId)) !== null)
    throw new HoldpointError('wrong_state', 'this passkey was added already');
  return settled(context, caller, async (s) => {
    requireRoom(await s.tx.passkeysOf(person.id));
    await s.tx.useChallenge(challenge, s.now);
    const { id, username } = person;
    const kept = { person: { id, username }, name, ...key, createdAt: s.now };
    const added = await s.tx.insertPasskey({ ...kept, confirmed: null, lastUsedAt: null, removedAt: null });
    await s.audit('passkey_added', {}, { passkey: added.id, owner: id, name, token: token.id });
    return added;
  });
}

/** One's own, and those of others that wait for somebody like the caller. */
export async function listPasskeys(context: HubContext, caller: Caller): Promise<readonly ShownPasskey[]> {
  const own = await context.store.passkeysOf(caller.person.id);
  const shown: ShownPasskey[] = own.map((passkey) => ({ passkey, mine: true, code: codeOf(passkey) }));
  const may = new Map<number, boolean>();
  for (const passkey of await context.store.unconfirmedPasskeys(MAX_LISTED)) {
    const { id } = passkey.person;
    if (id === caller.person.id) continue;
    if (!may.has(id)) may.set(id, (await whyNotConfirm(context, caller, id)) === null);
    if (may.get(id) === true) shown.push({ passkey, mine: false, code: null });
  }
  return shown;
}

/**
 * Why the caller is not the second person for somebody's passkey; null when they are. It is an administrator of the hub, or
 * a maintainer of a project that the other one is in; never the person themselves, nor a token that they made (T18).
 */
async function whyNotConfirm(context: HubContext, caller: Caller, owner: number): Promise<string | null> {
  const { person, token } = caller;
  if (person.id === owner) return 'it is your own, and a second person confirms it';
  if (token.makers.includes(owner)) return 'its owner made the token that you confirm it with';
  if (token.scopes.includes('admin')) return null;
  if (!token.scopes.includes('approve')) return 'your token has no scope approve';
  const known = () => context.store.knownProjects();
  const [mine, theirs] = [
    await context.directory.projectsOf(person.id, ACCESS_LEVELS.maintainer, known),
    await context.directory.projectsOf(owner, ACCESS_LEVELS.reporter, known),
  ];
  return mine.some((project) => theirs.includes(project))
    ? null
    : 'you administer neither the hub nor a project that its owner is in';
}

/** Confirms somebody else's passkey with the code that they told. Rejects with `not_found`, `forbidden`, `wrong_state`, `bad_input`. */
export async function confirmPasskey(context: HubContext, caller: Caller, id: number, code: string): Promise<Passkey> {
  const passkey = await context.store.passkey(id);
  if (passkey === null || passkey.removedAt !== null) throw gone(id);
  const whyNot = await whyNotConfirm(context, caller, passkey.person.id);
  if (whyNot !== null) throw new HoldpointError('forbidden', `passkey ${id}: you may not confirm it: ${whyNot}`);
  const owner = await context.directory.person(passkey.person.id);
  if (owner === null || owner.blocked)
    throw new HoldpointError('wrong_state', `passkey ${id}: its owner is blocked or no longer known`);
  if (typedCode(code) !== codeOf(passkey)) {
    throw new HoldpointError(
      'bad_input',
      `passkey ${id} has another code: ask ${owner.username}, face to face or by telephone, for the one that their page shows`,
    );
  }
  return settled(context, caller, async (s) => {
    const now = await s.tx.passkey(id);
    if (now === null || now.removedAt !== null) throw gone(id);
    if (now.confirmed !== null) throw new HoldpointError('wrong_state', `passkey ${id} was confirmed already`);
    const by = caller.person;
    const confirmed = { ...now, confirmed: { at: s.now, by: by.id, username: by.username } };
    await s.tx.updatePasskey(confirmed);
    await s.audit('passkey_confirmed', {}, { passkey: id, owner: now.person.id, by: by.id, token: caller.token.id });
    return confirmed;
  });
}

const gone = (id: number): HoldpointError =>
  new HoldpointError('not_found', `there is no passkey ${id}: it may have been removed`);

/** Removes a passkey: one's own, or anybody's with scope admin. It proves nothing from then on. */
export async function removePasskey(context: HubContext, caller: Caller, id: number): Promise<Passkey> {
  return settled(context, caller, async (s) => {
    const passkey = await s.tx.passkey(id);
    const may = passkey?.person.id === caller.person.id || caller.token.scopes.includes('admin');
    if (passkey === null || passkey.removedAt !== null || !may) throw gone(id);
    const removed = { ...passkey, removedAt: s.now };
    await s.tx.updatePasskey(removed);
    await s.audit('passkey_removed', {}, { passkey: id, owner: passkey.person.id });
    return removed;
  });
}
