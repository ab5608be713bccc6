import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { digestOf, digestOfText } from '../../agent/src/domain/digest.ts';
import type { Json } from '../../agent/src/domain/json.ts';
import { readStrictJson } from '../../agent/src/domain/strict-json.ts';

const JCS = new URL('../fixtures/jcs/', import.meta.url);

describe('the canonical text is RFC 8785', () => {
  for (const file of readdirSync(new URL('input/', JCS))) {
    it(`gives the RFC's own answer for ${file}`, () => {
      const input = readFileSync(new URL(`input/${file}`, JCS), 'utf8');
      const output = readFileSync(new URL(`output/${file}`, JCS), 'utf8');
      expect(canonicalJson(JSON.parse(input) as Json)).toBe(output);
      // The same through the strict reader, which wants an object on top and takes no names that differ in case only.
      const strict = readStrictJson(new TextEncoder().encode(`{"x":${input}}`), 'any');
      if (strict.ok) expect(canonicalJson(strict.value.x!)).toBe(output);
      else expect(strict.reason).toMatch(/case only/);
    });
  }

  it('is the digest of its UTF-8 bytes', () => {
    expect(digestOfText('{}')).toBe('sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    expect(digestOf({ b: 'é', a: 1 })).toBe(digestOfText('{"a":1,"b":"é"}'));
  });

  it('does not depend on the order of members, and gives the value back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
        const shuffle = (v: unknown): unknown =>
          Array.isArray(v)
            ? v.map(shuffle)
            : typeof v === 'object' && v !== null
              ? Object.fromEntries(
                  Object.entries(v)
                    .reverse()
                    .map(([k, m]) => [k, shuffle(m)]),
                )
              : v;
        expect(canonicalJson(shuffle(value) as Json)).toBe(text);
      }),
    );
  });
});
