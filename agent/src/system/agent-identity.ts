import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import { hubKeyOf } from './hub-key.ts';
import { openKeyFile } from './key-file.ts';
import { writeWhole } from './state-dir.ts';

/** Who an agent is at the hub that it has enrolled with. */
export interface AgentIdentity {
  readonly name: string;
  /** The hub's public key, 32 bytes. */
  readonly hubKey: Uint8Array;
}

const FILE = 'agent.json';

/** The agent's own key, which never leaves its state_dir; made (mode 0600) when there is none. */
export function openAgentKey(stateDir: string): Signer {
  return hubKeyOf(openKeyFile(join(stateDir, 'agent.key'), "agent's key", 'state_dir'));
}

/** What was kept at the enrolment; null for an agent that has not enrolled. Throws `bad_config` for a file that says nothing sensible. */
export function readIdentity(stateDir: string): AgentIdentity | null {
  const path = join(stateDir, FILE);
  if (!existsSync(path)) return null;
  try {
    const { name, hub_key: key } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const hubKey = Uint8Array.from(Buffer.from(String(key), 'base64url'));
    if (typeof name === 'string' && name !== '' && hubKey.length === 32) return { name, hubKey };
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw unreadable(path);
}

/** Keeps who the agent is from here on. */
export function writeIdentity(stateDir: string, { name, hubKey }: AgentIdentity): void {
  const text = JSON.stringify({ name, hub_key: Buffer.from(hubKey).toString('base64url') });
  writeWhole(join(stateDir, FILE), `${text}\n`);
}

function unreadable(path: string, cause?: unknown): HoldpointError {
  const way = 'put it back from your backup, or take it away and enrol again with hub.enrolment_token_file';
  return new HoldpointError('bad_config', `${path} does not say who this agent is: ${way}`, { cause });
}
