import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { walkJsonText } from '../../agent/src/domain/json-text.ts';
import {
  MAX_DEPTH,
  MAX_DOCUMENT_BYTES,
  MAX_NODES,
  pathText,
  readStrictJson,
  type Shape,
} from '../../agent/src/domain/strict-json.ts';

const utf8 = new TextEncoder();
const SHAPE: Shape = {
  object: new Map<string, Shape>([
    ['id', 'integer'],
    ['time', 'number'],
    ['name', 'string'],
    ['flag', 'boolean'],
    ['user', 'scalar'],
    ['steps', { list: { object: new Map<string, Shape>([['script', { list: 'string' }]]) } }],
    ['secrets', { map: { object: new Map<string, Shape>([['file', 'boolean']]) } }],
    ['run', 'json'],
    ['form', { refused: 'reserved' }],
  ]),
};
const read = (text: string | Uint8Array, shape: Shape = SHAPE) =>
  readStrictJson(typeof text === 'string' ? utf8.encode(text) : text, shape);
const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;

/** Name, document, path and a word of the reason. */
const REFUSED: readonly (readonly [string, string | Uint8Array, string, RegExp])[] = [
  ['T2 invalid UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), '(document)', /UTF-8/],
  ['T2 a surrogate written in UTF-8', new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), '(document)', /UTF-8/],
  ['T2 a byte order mark', '\ufeff{}', '(document)', /byte order/],
  ['T2 a lone surrogate as an escape', '{"name":"\\ud800"}', 'name', /surrogate/],
  ['T2 a lone low surrogate as an escape', '{"name":"\\uDC00x"}', 'name', /surrogate/],
  ['T2 a lone surrogate in a name', '{"x":{"\\ud800":1}}', 'x["\\ud800"]', /surrogate/],
  ['T2 a name sent twice', '{"id":1,"id":1}', 'id', /twice/],
  ['T2 a name sent twice, deep', '{"a":[{"b":{"c":1,"d":2,"c":3}}]}', 'a[0].b.c', /twice/],
  ['T2 a name sent twice, once as an escape', '{"name":"a","n\\u0061me":"b"}', 'name', /twice/],
  ['T45 __proto__ sent twice', '{"__proto__":1,"__proto__":2}', '__proto__', /twice/],
  ['T53 a known field in another case', '{"Steps":[]}', 'Steps', /known field/],
  ['T53 a known field with a long s', '{"\u017fteps":[]}', '["\u017fteps"]', /known field/],
  ['T53 a known field with an escape', '{"\\u0053teps":[]}', 'Steps', /known field/],
  ['T53 a known field of an element in another case', '{"steps":[{"SCRIPT":[]}]}', 'steps[0].SCRIPT', /known field/],
  ['T53 two unknown names in two cases', '{"x":{"ab":1,"Ab":2}}', 'x.Ab', /case only/],
  ['T53 two names of a map in two cases', '{"secrets":{"A":{},"a":{}}}', 'secrets.a', /case only/],
  ['T53 names that differ by the Kelvin sign', '{"x":{"k":1,"\u212a":2}}', 'x["\u212a"]', /case only/],
  ['T53 text after the document', '{} {}', '(document)', /not JSON at character 4/],
  ['T2 an integer too large', '{"x":9007199254740992}', 'x', /2\^53/],
  ['T2 an integer too small', '{"x":[-9007199254740993]}', 'x[0]', /2\^53/],
  ['T2 an integer too large beside a fraction', '{"time":2.0,"x":9007199254740993}', 'x', /2\^53/],
  ['T2 a number that overflows', '{"x":1e400}', 'x', /too large/],
  ['T2 a fraction for an integer', '{"id":1.5}', 'id', /fraction/],
  ['T2 an integer with a fraction of nothing', '{"id":1.0}', 'id', /fraction/],
  ['T2 an integer with an exponent', '{"id":1e3}', 'id', /fraction/],
  ['T2 a scalar with an exponent', '{"user":1E0}', 'user', /fraction/],
  ['T3 a number for a string', '{"name":1}', 'name', /a number where the runner wants a string/],
  ['T3 a string for an integer', '{"id":"1"}', 'id', /wants an integer/],
  ['T3 a number for a boolean', '{"flag":1}', 'flag', /wants a boolean/],
  ['T3 a list for an object', '{"steps":[[]]}', 'steps[0]', /wants an object/],
  ['T3 an object for a list', '{"steps":{}}', 'steps', /wants a list/],
  ['T3 null among strings', '{"steps":[{"script":[null]}]}', 'steps[0].script[0]', /null/],
  ['T3 a boolean for a scalar', '{"user":true}', 'user', /string or an integer/],
  ['a reserved name', '{"form":"x"}', 'form', /reserved/],
  ['T2 a list that poses as a template', '{"x":["a",{"var":"B"}]}', 'x[1]', /reserved/],
  ['T2 a list that poses as an HMAC', '{"x":[{"hmac":"00"}]}', 'x[0]', /reserved/],
  ['T2 a list that poses as a token', '{"x":[{"jwt":{}}]}', 'x[0]', /reserved/],
  ['T2 a list that poses as a hash of files', '{"x":{"y":[{"files":true}]}}', 'x.y[0]', /reserved/],
  ['too deep', nested(MAX_DEPTH + 1), '(document)', /deeper/],
  ['too many elements', `{"x":[${'1,'.repeat(MAX_NODES)}1]}`, 'x', /more than/],
  ['too large', `{"x":"${'a'.repeat(MAX_DOCUMENT_BYTES)}"}`, '(document)', /larger/],
  ['not an object', '[]', '(document)', /object/],
  ['nothing', '', '(document)', /not JSON/],
  ['a bare word', '{"x":nope}', '(document)', /not JSON at character 6/],
  ['a comma too many', '{"x":[1,]}', '(document)', /not JSON/],
  ['a text without an end', '{"x":"', '(document)', /not JSON/],
  ['a control character in a text', '{"x":"\u0001"}', '(document)', /not JSON/],
  ['T38 run that is no JSON', '{"run":"nope"}', 'run', /not JSON/],
  ['T38 run that is a bare text', '{"run":"\\"\\""}', 'run', /neither/],
  ['T38 run that is a null text', '{"run":"null"}', 'run', /neither/],
  ['T38 run with a name sent twice', '{"run":"[{\\"a\\":1,\\"a\\":2}]"}', 'run[0].a', /twice/],
  ['T38 run with names in two cases', '{"run":"[{\\"a\\":1,\\"A\\":2}]"}', 'run[0].A', /case only/],
  ['T38 run with a lone surrogate', '{"run":"[\\"\\\\ud800\\"]"}', 'run[0]', /surrogate/],
  ['T38 run that poses as a template', '{"run":"[{\\"var\\":\\"A\\"}]"}', 'run[0]', /reserved/],
  ['T38 run with an integer too large', '{"run":"[9007199254740993]"}', 'run[0]', /2\^53/],
  ['T38 run that is too deep', JSON.stringify({ run: nested(MAX_DEPTH + 1) }), 'run', /deeper/],
  ['T38 run that is an object instead of a text', '{"run":{}}', 'run', /wants a string/],
];

describe('what the strict reader refuses, with path and reason', () => {
  for (const [name, document, path, reason] of REFUSED) {
    it(name, () => {
      const reading = read(document);
      expect(reading).toMatchObject({ ok: false, path });
      expect(reading.ok ? '' : reading.reason).toMatch(reason);
    });
  }

  it('quotes no value in path or reason', () => {
    for (const text of ['{"name":"s3cr3t" "x"}', '{"name":"s3cr3t","name":"s3cr3t"}', '{"id":"s3cr3t"}']) {
      expect(JSON.stringify(read(text))).not.toContain('s3cr3t');
    }
  });
});

describe('what the strict reader accepts', () => {
  it('T45 keys named __proto__, constructor, toJSON and hasOwnProperty are ordinary keys', () => {
    const text = '{"x":{"__proto__":{"a":1},"constructor":2,"hasOwnProperty":4,"toJSON":3}}';
    const reading = read(text);
    expect(reading.ok && canonicalJson(reading.value)).toBe(text);
    expect(reading.ok && Object.getPrototypeOf(reading.value)).toBe(null);
    expect(reading.ok && Object.getPrototypeOf(reading.value.x)).toBe(null);
  });

  it('null for any known field, and for unknown list elements', () => {
    expect(read('{"id":null,"steps":null,"run":null,"x":[null]}').ok).toBe(true);
  });

  it('white space around the document, paired surrogates, and numbers at the edge', () => {
    expect(read(' \r\n\t{"name":"\\ud83d\\ude00","x":9007199254740991,"y":-0,"time":3.0} \n').ok).toBe(true);
  });

  it('a fraction where the runner wants none in particular', () => {
    expect(read('{"time":24.2,"x":1e30,"y":1.0}').ok).toBe(true);
  });

  it('an object with more than one of the reserved members, or outside a list', () => {
    expect(read('{"x":[{"var":1,"files":2}],"y":{"var":1}}').ok).toBe(true);
  });

  it(`depth ${MAX_DEPTH}, and run's own depth counted on its own`, () => {
    expect(read(nested(MAX_DEPTH)).ok).toBe(true);
    expect(read(JSON.stringify({ run: nested(MAX_DEPTH) })).ok).toBe(true);
  });

  it('reads the JSON inside run, and keeps an empty one', () => {
    const reading = read('{"run":"[{\\"a\\": 1.50}]"}');
    expect(reading.ok && canonicalJson(reading.value)).toBe('{"run":[{"a":1.5}]}');
    const empty = read('{"run":""}');
    expect(empty.ok && empty.value.run).toBe('');
  });

  it('T45 an object of 100,000 keys', () => {
    const text = JSON.stringify({ x: Object.fromEntries(Array.from({ length: 99_000 }, (_, i) => [`Key${i}`, i])) });
    expect(read(text).ok).toBe(true);
  });

  it('any JSON object without the refused things, as the engine reads it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const text = JSON.stringify({ wrapped: value });
        const reading = read(text, 'any');
        if (reading.ok) expect(canonicalJson(reading.value)).toBe(canonicalJson(JSON.parse(text)));
        else expect(reading.reason).toMatch(/surrogate|2\^53|case only|reserved/);
      }),
    );
  });
});

describe('the walk over a JSON text', () => {
  it('finds the same end as the engine: JSON or not', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map((text) => `${text}x`),
        ),
        (text) => {
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          expect(walkJsonText(text, {}) === null).toBe(valid);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('writes paths so that names cannot pose as other paths', () => {
    expect(pathText(['a', 0, 'b'])).toBe('a[0].b');
    expect(pathText(['a.b', 'c d'])).toBe('["a.b"]["c d"]');
  });
});
