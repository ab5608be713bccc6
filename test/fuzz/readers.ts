import { createHash } from 'node:crypto';
import { readYaml } from '../../agent/src/config/yaml-file.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { readPrincipals } from '../../agent/src/directories/principals-file.ts';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { rulesIn } from '../../agent/src/domain/policy.ts';
import { readStrictJson } from '../../agent/src/domain/strict-json.ts';
import { jobIdentity, lowerTimeout, readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { PAYLOAD } from '../../agent/src/runners/gitlab/fields.ts';
import { shiftContentRange, sizeInRange, unshiftRange } from '../../agent/src/runners/gitlab/trace.ts';
import { frameText, parseAgentFrame, parseHubFrame } from '../../agent/src/wire/link.ts';
import { PRINCIPALS } from '../support/scene.ts';
import { type GoValue, parseGo } from '../support/scripted-runner/go-json.ts';
import { readJob } from '../support/scripted-runner/payload.ts';
import { fixtureText, OPTIONS } from '../unit/form/payload.ts';
import type { Target } from './fuzz.ts';

/** Fails with what was seen. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** A text in a word: digits and quoted parts are no new way. */
const kind = (text: string): string =>
  text
    .replace(/[0-9]+/g, '0')
    .replace(/"[^"]*"/g, '"')
    .slice(0, 120);

/** True when an object of the text has a key twice, also under simple case folding, as Go's decoder would see it. */
function hasTwins(value: GoValue): boolean {
  if (Array.isArray(value)) return value.some(hasTwins);
  if (typeof value !== 'object' || value === null) return false;
  const keys = value.entries.map(([key]) => key.toLowerCase());
  return new Set(keys).size !== keys.length || value.entries.some(([, member]) => hasTwins(member));
}

/** RFC 8785 writes 1e20 as an integer, and integers of that size are refused: the only text of ours that is not taken back. */
const BEYOND = 'an integer outside ±(2^53−1)';

const JSON_WORDS = [
  '"',
  '":',
  ',"',
  '{"',
  '"}',
  '[',
  ']',
  '{',
  '}',
  ':',
  ',',
  'null',
  'true',
  '-0',
  '1e400',
  '1e3',
  '9007199254740993',
  '\\u0000',
  '\\ud800',
  '\\uD83D\\uDE00',
  '__proto__',
  'constructor',
  'toJSON',
  'steps',
  'Steps',
  'ſteps',
  'token',
  'Token',
  'toKen',
  'id',
  'variables',
  'script',
  'image',
  'run',
  'key',
  'value',
  'public',
  'masked',
  'form',
  'hmac',
  'jwt',
  'var',
  'files',
  '\u212a',
  '\u0130',
  '/*',
  '//',
  '\ufeff',
  '\u2028',
];

/** The strict reader on documents of any shape. */
export const strictReader: Target = {
  name: 'strict-json',
  json: true,
  words: JSON_WORDS,
  seeds: [
    '{"a":[1,-0,1.5,"x",null,true,{"b":{}}],"c":"\\ud83d\\ude00","run":"[1]"}',
    '{"id":1,"token":"t","steps":[{"name":"script","script":["a","b"],"timeout":1}],"run":"{\\"a\\":1}","variables":[{"key":"K","value":"v"}]}',
    '{"__proto__":{"a":1},"constructor":{},"toJSON":1}',
    '{"image":{"name":"i","entrypoint":[""]},"inputs":[{"key":"a","value":{"type":"string","content":"x"}}]}',
  ],
  run(input) {
    const [open, shaped] = [readStrictJson(input, 'any'), readStrictJson(input, PAYLOAD)];
    if (!open.ok) {
      must(!shaped.ok, 'a known shape takes what no shape takes');
      return `no ${kind(open.reason)}`;
    }
    const go = parseGo(open.text);
    must(!hasTwins(go), 'Go sees a key twice in what was taken');
    const lax = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)) as unknown;
    must(canonicalJson(open.value) === canonicalJson(lax as never), 'read as something else than it says');
    const again = readStrictJson(Buffer.from(canonicalJson(open.value)), 'any');
    if (again.ok)
      must(canonicalJson(again.value) === canonicalJson(open.value), 'the canonical text reads as something else');
    else must(again.reason === BEYOND, `the canonical text is refused: ${again.reason}`);
    return shaped.ok
      ? `ok ${kind(input.toString('latin1')).length}`
      : `shape ${kind(shaped.reason)} ${kind(shaped.path)}`;
  },
};

const FIXTURES = ['deploy-production.run1', 'build-image.run1', 'test-unit.run1', 'release.run1'].map((name) =>
  fixtureText(`${name}.json`),
);
const TOKENS = FIXTURES.map((text) => (JSON.parse(text) as { token: string }).token);

/** A whole payload: read, hashed, lowered and given to something that decodes as the runner does. */
export const payload: Target = {
  name: 'payload',
  json: true,
  words: [
    ...JSON_WORDS,
    'CI_PIPELINE_ID',
    'CI_JOB_TOKEN',
    '$CI_COMMIT_SHA',
    'cache',
    'secrets',
    'runner_info',
    'timeout',
    'dependencies',
    'refs/heads/',
  ],
  // Without the white space that a file has: mutations reach more.
  seeds: FIXTURES.map((text) => JSON.stringify(JSON.parse(text))),
  run(input) {
    const reading = readPayload(input, OPTIONS);
    jobIdentity(input);
    if (!reading.ok) return `no ${kind(reading.reason)} ${kind(reading.path)}`;
    const text = input.toString();
    must(!hasTwins(parseGo(text)), 'Go sees a key twice in what was taken');
    const job = readJob(text);
    must(job.id === reading.job.id && job.token === reading.job.token, 'the runner reads another id or token');
    const plain = JSON.parse(text) as { steps?: { script?: string[] }[] | null };
    must(
      JSON.stringify(job.steps.map((step) => step.script ?? [])) ===
        JSON.stringify((plain.steps ?? []).map((step) => step?.script ?? [])),
      'the runner reads other steps',
    );
    must(reading.canonical === canonicalJson(reading.configuration), 'the text is not the form');
    must(
      reading.digest === `sha256:${createHash('sha256').update(reading.canonical).digest('hex')}`,
      'the digest is not of the text',
    );
    const shuffled = readPayload(Buffer.from(canonicalJson(JSON.parse(text) as never)), OPTIONS);
    if (shuffled.ok) must(shuffled.digest === reading.digest, 'the order of keys, or white space, moves the digest');
    else must(shuffled.reason === BEYOND, `in another order it is refused: ${shuffled.reason}`);
    if (TOKENS.includes(reading.job.token)) {
      must(!reading.canonical.includes(reading.job.token), "the form holds the job's token");
      must(!JSON.stringify(reading.facts).includes(reading.job.token), "the facts hold the job's token");
    }
    const lowered = lowerTimeout(input, 61);
    const after = readPayload(lowered, OPTIONS);
    must(
      after.ok && after.digest === reading.digest && after.job.timeoutS <= reading.job.timeoutS,
      'lowering the time-out changes the job',
    );
    return `ok ${Object.keys(reading.configuration).join()} ${kind(reading.canonical).length}`;
  },
};

/** Ranges of logs: whatever is written there, nothing but a plain range is moved, and back again is where it was. */
export const trace: Target = {
  name: 'trace',
  json: false,
  words: [
    '0-0',
    '-',
    ' ',
    '999999999999999',
    '1000000000000000',
    '0',
    '00',
    '٣',
    '\t',
    'bytes ',
    ',',
    '/*',
    '1e3',
    '0x10',
  ],
  seeds: ['0-100', '0-0', '12-5', '999999999999999-999999999999999', 'bytes 0-1/2', ''],
  run(input) {
    const value = input.toString('latin1');
    for (const by of [0, 1, 613, 1_048_576]) {
      const moved = shiftContentRange(value, by);
      if (moved === null) {
        must(!/^\d{1,15}-\d{1,15}$/.test(value.trim()), 'a plain range is not moved');
        must(unshiftRange(value, by) === value, 'what is no range is changed');
        return 'no';
      }
      must(/^\d+-\d+$/.test(moved), 'moved into something that is no range');
      const [start, end] = moved.split('-').map(Number) as [number, number];
      must(Number.isSafeInteger(start) && Number.isSafeInteger(end), 'moved out of what numbers can hold');
      const size = sizeInRange(moved);
      if (size !== null) must(unshiftRange(`0-${end}`, by) === `0-${end - by}`, 'back again is elsewhere');
      must(Number(unshiftRange(`0-${Math.min(end, by)}`, by).split('-')[1]) >= 0, 'below the start of the log');
    }
    return `ok ${value.trim().length}`;
  },
};

const FACTS = `{"instance":"https://g","project":{"id":1,"path":"a/b"}}`;
const D = `sha256:${'a'.repeat(64)}`;
/** Frames of the link, read by both ends. */
export const frames: Target = {
  name: 'frames',
  json: true,
  words: [
    ...JSON_WORDS,
    'type',
    'ref',
    'hold',
    'admit',
    'report',
    'sync',
    'ack',
    'release',
    'welcome',
    'configuration',
    'seq',
    'jobId',
    'job_id',
    D,
  ],
  seeds: [
    '{"type":"hello","protocol":1,"agent":"a","version":"1","runners":[{"name":"r","protected":true}],"cursor":0}',
    '{"type":"prove","signature":"x"}',
    `{"type":"admit","ref":"1","digest":"${D}","configuration":{"form":"x","__proto__":{"a_b":1}},"facts":${FACTS},"policy":null}`,
    '{"type":"report","ref":"1","hold":1,"job_id":2,"event":"ended","at":"2026-11-22T08:00:00Z","detail":{"status":"success"}}',
    `{"type":"sync","ref":"1","holds":[{"hold":1,"job_id":1,"digest":"${D}","state":"parked","parked_until":null}]}`,
    '{"type":"ack","seq":1}',
    `{"type":"release","seq":1,"hold":1,"job_id":1,"digest":"${D}","reason":null,"note":null}`,
    '{"type":"verdict","ref":"1","outcome":"pass","hold":1,"approval":1,"expires":null,"reason":null,"note":null,"url":null}',
    '{"type":"state","ref":"1","holds":[{"hold":1,"job_id":1,"state":"pending","current":true}]}',
    `{"type":"welcome","protocol":1,"heartbeat_ms":1,"time":"2026-11-22T08:00:00Z","variable_key":"${'A'.repeat(43)}","policy":"p"}`,
    '{"type":"error","ref":null,"code":"internal","message":"m"}',
  ],
  run(input) {
    const text = input.toString();
    let way = '';
    for (const [end, parse] of [
      ['agent', parseAgentFrame],
      ['hub', parseHubFrame],
    ] as const) {
      const parsed = parse(text);
      if (!parsed.ok) {
        must(parsed.message.length < 70_000, 'a message without end');
        way += ` ${end} ${kind(parsed.message)}`;
        continue;
      }
      const again = parse(frameText(parsed.frame));
      must(
        again.ok && JSON.stringify(again.frame) === JSON.stringify(parsed.frame),
        'written again it says something else',
      );
      must(Object.getPrototypeOf(parsed.frame) === Object.prototype, 'a frame with another prototype');
      way += ` ${end} ok ${parsed.frame.type} ${Object.keys(parsed.frame).length}`;
    }
    return way;
  },
};

const AGENT_YML = `gitlab: { url: https://gitlab.example.com }
gateway: { listen: 127.0.0.1:8093 }
hub: { listen: 127.0.0.1:8094, store: sqlite:hub.sqlite }
state_dir: /var/lib/holdpoint
principals: principals.yaml
parking: { live: 1h }
runners:
  - { name: a, token: glrt-aaaaaaaaaaaaaaaaaaaa, protected: true }
`;
const POLICY_YML = `rules:
  - { name: maintainers, access_level: maintainer, count: 1 }
self_approval: forbid
request_ttl: 30d
lifetimes: { default: standing, max: standing, environments: 30d }
remember: 24h
`;
/** The files an operator writes: whatever stands there, it is read or refused in words, never half. */
export const yaml: Target = {
  name: 'yaml',
  json: false,
  words: [
    '\n',
    ': ',
    '- ',
    '{ ',
    ' }',
    '[',
    ']',
    '&a ',
    '*a',
    '<<: ',
    '!!',
    '!!js/function ',
    '? ',
    '|',
    '>',
    '---',
    '...',
    '%YAML 1.1',
    '"',
    "'",
    '#',
    '\t',
    '  ',
    'users',
    'members',
    'access_level',
    'owner',
    '60',
    '0',
    '-1',
    '1e3',
    '.inf',
    'null',
    '~',
    'yes',
    '__proto__',
    'count',
    'rules',
    'protected',
    'false',
  ],
  seeds: [AGENT_YML, PRINCIPALS, POLICY_YML],
  run(input) {
    const text = input.toString();
    let way = '';
    const file = readYaml(text, 'f');
    way += file.problems.length === 0 ? 'read' : kind(file.problems[0]!.message);
    must(
      file.problems.every((each) => !each.message.includes('glrt-aaaa')),
      'a message quotes a token',
    );
    for (const [name, reader] of [
      ['people', readPrincipals],
      ['policy', readPolicy],
    ] as const) {
      try {
        const value = reader(text, 'f');
        if ('base' in value)
          must(
            value.base.rules.length > 0 &&
              rulesIn(value).every(
                (rule) => rule.count >= 1 && (rule.who.kind !== 'access_level' || rule.who.level > 0),
              ),
            'a rule that asks for nobody',
          );
        else
          must(
            value.users.every((user) => user.id > 0 && user.username !== ''),
            'a person without name or number',
          );
        way += ` ${name} ok`;
      } catch (error) {
        if (!(error instanceof HoldpointError) || error.code !== 'bad_config') throw error;
        way += ` ${name} ${kind(error.message)}`;
      }
    }
    return way;
  },
};
