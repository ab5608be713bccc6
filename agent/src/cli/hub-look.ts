import { type HubLook, type Seen, seen, unseen } from '../domain/doctor/observation.ts';
import { HoldpointError } from '../domain/errors.ts';
import { agentSchema, readySchema } from '../wire/api.ts';
import { createHubClient } from './client.ts';

const ASK_MS = 10_000;
const MAX_CHARS = 4 * 1024 * 1024;

/** Where the hub is, and the token that may list its agents. */
export interface HubToAsk {
  readonly url: string;
  /** Null: none was given. */
  readonly token: string | null;
}

async function get(
  url: string,
): Promise<{ readonly status: number; readonly body: unknown; readonly date: string | null }> {
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ASK_MS) });
  const text = await answer.text();
  let body: unknown = null;
  try {
    body = text.length > MAX_CHARS ? null : JSON.parse(text);
  } catch {
    body = null;
  }
  return { status: answer.status, body, date: answer.headers.get('date') };
}

const versionOf = (body: unknown): string | null => {
  const { info } = (body ?? {}) as { info?: { version?: unknown } };
  return typeof info?.version === 'string' ? info.version : null;
};

async function agentsOf({ url, token }: HubToAsk): Promise<HubLook['agents']> {
  if (token === null)
    return unseen('its list of agents needs a token', 'set HOLDPOINT_TOKEN_FILE, or give --token-file (scope read)');
  try {
    const agents = await createHubClient({ url, token, timeoutMs: ASK_MS }).list('/api/v1/agents', agentSchema);
    return seen(agents.map(({ name, connected, version, warnings }) => ({ name, connected, version, warnings })));
  } catch (error) {
    const why = error instanceof HoldpointError ? error.message : 'its answer was not understood';
    return unseen(`its list of agents cannot be read: ${why}`, 'give a token that it takes with --token-file');
  }
}

/** What a hub says of itself to whoever asks, and of its agents to a token. */
export async function lookAtHub(hub: HubToAsk, now: () => number): Promise<Seen<HubLook>> {
  const url = hub.url.replace(/\/+$/, '');
  try {
    const from = now();
    const { status, body, date } = await get(`${url}/readyz`);
    const to = now();
    // A hub of another version may say more.
    const ready = readySchema.strip().safeParse(body);
    const detail = (body as { detail?: unknown } | null)?.detail;
    if (!ready.success && status !== 503)
      return unseen(`what answers at ${url} is no hub (status ${status})`, 'name the hub with --hub');
    const theirs = Date.parse(date ?? '');
    return seen({
      url,
      ready: ready.success ? ready.data.status : 'not_ready',
      problems: ready.success
        ? ready.data.problems.map(({ message }) => message)
        : [typeof detail === 'string' ? detail.replace(/^not ready: /, '').slice(0, 2_000) : 'it is not ready'],
      version: versionOf((await get(`${url}/openapi.json`)).body),
      skewMs: Number.isNaN(theirs) ? null : theirs + 500 - (from + to) / 2,
      agents: await agentsOf(hub),
    });
  } catch {
    return unseen(
      `nothing answers as a hub at ${url}`,
      'start the agent (its hub is embedded), or name the hub with --hub',
    );
  }
}
