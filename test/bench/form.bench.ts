import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { bench, describe } from 'vitest';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';

const bytes = readFileSync(new URL('../fixtures/gitlab/test-unit.run1.json', import.meta.url));
const options = { instance: 'https://gitlab.example.com', runner: 'r', variableKey: null, verifyIdToken: () => null };

describe('reading a payload of 16 KB: strict reading, form, digest and facts', () => {
  bench('baseline: JSON.parse, JSON.stringify and the engine’s own SHA-256 of the same text', () => {
    createHash('sha256')
      .update(JSON.stringify(JSON.parse(bytes.toString('utf8'))))
      .digest('hex');
  });

  bench('readPayload', () => {
    const reading = readPayload(bytes, options);
    if (!reading.ok) throw new Error(reading.reason);
  });
});
