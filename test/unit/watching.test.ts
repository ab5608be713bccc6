import { describe, expect, it } from 'vitest';
import { castEvent, castHeader, parseCast } from '../../agent/src/domain/asciicast.ts';
import { maskerOf } from '../../agent/src/domain/masking.ts';
import { safeTerminal } from '../../agent/src/domain/safe-terminal.ts';
import { PRESENCE_GRACE_MS, present, type Watcher, watchersNeeded } from '../../agent/src/domain/watching.ts';
import { secretsOf } from '../../agent/src/runners/gitlab/job-secrets.ts';
import { terminalText } from '../../agent/src/runners/gitlab/recorder.ts';

/** A log in pieces through a masker, as a recorder gives them: what is held back comes again with the next. */
function through(values: readonly string[], prefixes: readonly string[], pieces: readonly Uint8Array[]): string {
  const masker = maskerOf({ values, prefixes });
  let held: Uint8Array = new Uint8Array(0);
  let out = '';
  for (const piece of pieces) {
    const bytes = Buffer.concat([held, piece]);
    const part = masker.part(bytes);
    out += part.text;
    held = bytes.subarray(bytes.length - part.held);
  }
  return out + masker.last(held);
}
const cuts = (text: string): readonly (readonly [Buffer, Buffer])[] => {
  const bytes = Buffer.from(text);
  return Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)] as const);
};

describe('secrets in a recording', () => {
  it('T32 are masked wherever the log is cut in two, and nothing else is', () => {
    const text = 'to = s3cr3t-väl!ue, or glpat-abc.DEF_1-2 and\n s3cr3t-väl is none; ümläut €';
    for (const pair of cuts(text))
      expect(through(['s3cr3t-väl!ue'], ['glpat-'], pair)).toBe(
        'to = [MASKED], or [MASKED] and\n s3cr3t-väl is none; ümläut €',
      );
  });

  it('T32 are masked byte by byte, when they overlap, when one begins another, and when the log ends within one', () => {
    const bytes = (text: string) => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
    expect(through(['aaab', 'aaabaaac'], [], bytes('xaaabaaacx aaabx'))).toBe('x[MASKED]x [MASKED]x');
    expect(through(['abcdabce', 'dabc'], [], bytes('abcdabcd abcdabce'))).toBe('abc[MASKED]d [MASKED]');
    expect(through(['password1'], [], bytes('it is passwor'))).toBe('it is [MASKED]');
    expect(through(['password1'], [], bytes('it is p'))).toBe('it is p');
  });

  it('are those of the payload: its token, masked variables, passwords, sensitive inputs, and beginnings that GitLab names', () => {
    const payload = {
      token: 'glcbt-jobtoken',
      variables: [
        { key: 'A', value: 'masked-value', masked: true },
        { key: 'B', value: 'shown-value', masked: false },
      ],
      credentials: [{ password: 'registry-pass' }],
      inputs: [{ key: 'k', value: { type: 'string', content: 'sensitive-input', sensitive: true } }],
      features: { token_mask_prefixes: ['acme-'] },
    };
    const { values, prefixes } = secretsOf(Buffer.from(JSON.stringify(payload)));
    expect(values).toEqual(['glcbt-jobtoken', 'masked-value', 'registry-pass', 'sensitive-input']);
    expect(prefixes).toContain('acme-');
    expect(prefixes).toContain('glpat-');
    expect(secretsOf(Buffer.from('no json')).values).toEqual([]);
  });

  it('T30 cost time in proportion, whatever a job writes to be slow', () => {
    const secret = `${'a'.repeat(9_000)}b`;
    const began = performance.now();
    const text = through([secret, secret.slice(1)], ['glpat-'], [Buffer.from('a'.repeat(256 * 1024))]);
    expect(text.length).toBeGreaterThan(200_000);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('T30 cost no more in a log that is made of beginnings of tokens than in one that has none', () => {
    const timeOf = (piece: string): number => {
      const began = performance.now();
      through([], ['glpat-', 'glcbt-'], [Buffer.from(`${piece.repeat(20_000)}!`)]);
      return performance.now() - began;
    };
    timeOf('number');
    const calm = timeOf('number');
    expect(timeOf('glpat-') / Math.max(calm, 10)).toBeLessThan(20);
    expect(through([], ['glpat-'], [...cuts('a!glpat-glpat-x.y')[9]!])).toBe('a![MASKED]');
  });
});

describe('a recording', () => {
  it('is asciicast v2: a header and a line for each event, and reads back as what it was', () => {
    const file =
      castHeader(1_700_000_000_500, 'acme/api deploy') + castEvent(0, 'a\x1b[31mé\r\n') + castEvent(2_500, 'b');
    const [header, ...lines] = file.trimEnd().split('\n');
    expect(JSON.parse(header!)).toMatchObject({ version: 2, width: 160, height: 50, timestamp: 1_700_000_000 });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      [0, 'o', 'a\x1b[31mé\r\n'],
      [2.5, 'o', 'b'],
    ]);
    expect(parseCast(file)?.events).toEqual([
      { at: 0, text: 'a\x1b[31mé\r\n' },
      { at: 2.5, text: 'b' },
    ]);
    expect(parseCast('{"version":1}\n')).toBeNull();
    expect(parseCast('nothing')).toBeNull();
    expect(parseCast('null')).toBeNull();
  });

  it('goes to the start of the next line where a log only ends one', () => {
    expect(terminalText('a\nb\r\nc\rd\n')).toBe('a\r\nb\r\nc\rd\r\n');
  });
});

describe('who watches', () => {
  const watcher = (id: number, seenAt: number, viewer = `v${id}`): Watcher => ({
    hold: 1,
    viewer,
    person: { id, username: `u${id}`, name: null },
    since: 0,
    seenAt,
  });

  it('counts once, however many pages they have, and as long as one of them answers', () => {
    const now = 100_000;
    const late = now - PRESENCE_GRACE_MS;
    expect(present([watcher(1, late), watcher(1, now, 'other')], now).map(({ id }) => id)).toEqual([1]);
    expect(present([watcher(1, now), watcher(2, late + 1)], now).map(({ id }) => id)).toEqual([1, 2]);
    expect(present([watcher(1, late)], now)).toEqual([]);
    // The hub itself was away until a moment ago.
    expect(present([watcher(1, 0)], now, now - 1).map(({ id }) => id)).toEqual([1]);
  });

  it('T18 is one more where nobody can tell whom the rules exclude', () => {
    expect(watchersNeeded({ unknown: [] })).toBe(1);
    expect(watchersNeeded({ unknown: ['who triggered the job'] })).toBe(2);
  });
});

describe('a log in a terminal that somebody sits at', () => {
  const hostile =
    '\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]52;c;ZXZpbA==\x1b\\\x1b[2J\x1b[6n\x1bP$q\x1b\\\x1b[10;10H\x1b(0\x9b31m ok\rover\x1b[K\n\x08\x00end';
  const shown = '\x1b[31mred\x1b[0m 31m ok\rover\x1b[K\nend';

  it('T33 has colours and lines that are written over, and does nothing else, wherever it is cut', () => {
    for (let at = 0; at <= hostile.length; at++) {
      const filter = safeTerminal();
      expect(filter(hostile.slice(0, at)) + filter(hostile.slice(at))).toBe(shown);
    }
  });

  it('T33 is text again after a sequence that never ends', () => {
    const filter = safeTerminal();
    filter(`\x1b]0;${'x'.repeat(5_000)}`);
    expect(filter('after')).toBe('after');
  });
});
