import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import { enrolBody, enrolledSchema } from '../wire/agents.ts';
import { enrolText } from '../wire/link.ts';

/** A hub answers in milliseconds; half a minute covers a slow line. */
const TIMEOUT_MS = 30_000;
/** An answer of ours has 200 bytes, a problem document a few more. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What enrolling needs. */
export interface EnrolOptions {
  /** Address of the hub. */
  readonly url: string;
  readonly ca?: string | undefined;
  /** The one-time token. */
  readonly token: string;
  /** The agent's own key; its public half alone leaves the host. */
  readonly key: Signer;
}

/** Becomes the agent that the token names; the answer is its name and the hub's public key. Rejects with what the hub says. */
export async function enrolAgent({ url, ca, token, key }: EnrolOptions): Promise<{ name: string; hubKey: Uint8Array }> {
  const publicKey = Buffer.from(key.publicKey).toString('base64url');
  const signature = Buffer.from(key.sign(Buffer.from(enrolText(token, publicKey)))).toString('base64url');
  const body = enrolBody.parse({ token, public_key: publicKey, signature });
  const { status, text } = await post(`${url}/api/v1/enrolments`, JSON.stringify(body), ca);
  const answer = jsonOf(text);
  const enrolled = enrolledSchema.safeParse(answer);
  if (status === 201 && enrolled.success) {
    const hubKey = Uint8Array.from(Buffer.from(enrolled.data.hub_key, 'base64url'));
    return { name: enrolled.data.agent, hubKey };
  }
  const { detail } = (answer ?? {}) as { readonly detail?: unknown };
  if (typeof detail === 'string' && status === 401) throw new HoldpointError('unauthenticated', detail);
  const said = typeof detail === 'string' ? detail : 'it does not speak as a hub does';
  throw new HoldpointError('hub_unreachable', `${url} did not enrol this agent (status ${status}): ${said}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function post(url: string, body: string, ca: string | undefined): Promise<{ status: number; text: string }> {
  const to = new URL(url);
  const open = to.protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(
        new HoldpointError(
          'hub_unreachable',
          `the hub at ${to.origin} cannot be reached: ${error.code ?? error.message}`,
        ),
      );
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = open(to, { method: 'POST', headers, timeout: TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) });
    asked.on('error', fail);
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error('it answers more than a hub does'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', fail);
    });
    asked.end(body);
  });
}
