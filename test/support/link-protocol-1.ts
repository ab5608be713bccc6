import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ROOT } from './source-files.ts';

/**
 * The frames of protocol 1 as the version that spoke nothing else had them, in JSON Schema: made once from that version, and never
 * changed. Whoever spoke it closes the link on any other frame.
 */
const schemas = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/link/protocol-1.json'), 'utf8'));
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const checks = { agent: ajv.compile(schemas.agent), hub: ajv.compile(schemas.hub) };

/** What that version would have said of a frame of this end; null: it takes it. */
export function protocol1Complaint(end: 'agent' | 'hub', frame: unknown): string | null {
  const check = checks[end];
  return check(frame) ? null : `${(frame as { type: string }).type}: ${ajv.errorsText(check.errors).slice(0, 300)}`;
}
