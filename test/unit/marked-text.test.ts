import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDeceiving, markedText } from '../../agent/src/domain/marked-text.ts';

const marks = (text: string) =>
  markedText(text).flatMap(({ kind, mark }) => (kind === 'plain' ? [] : [`${kind} ${mark}`]));

describe('a text as it is shown', () => {
  it('T33 joined again is the text, whatever stands in it', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());
    fc.assert(
      fc.property(anything, (text) => {
        expect(
          markedText(text)
            .map((piece) => piece.text)
            .join(''),
        ).toBe(text);
      }),
    );
    expect(
      markedText('a\ud800b')
        .map((piece) => piece.text)
        .join(''),
    ).toBe('a\ud800b');
  });

  it('T33 marks what reorders and what is not seen', () => {
    expect(marks('echo \u202e// safe\u202c')).toEqual(['hidden U+202E', 'hidden U+202C']);
    expect(marks('rm\u200b -rf\u00a0/\u2066')).toEqual(['hidden U+200B', 'hidden U+00A0', 'hidden U+2066']);
    expect(marks('\u001b[2Kok\r\u0000')).toEqual(['hidden U+001B', 'hidden U+000D', 'hidden U+0000']);
    expect(marks('ﾠ\u3164\u{e0041}')).toEqual(['hidden U+FFA0', 'hidden U+3164', 'hidden U+E0041']);
  });

  it('T33 marks letters that are taken for Latin ones', () => {
    expect(marks('curl https://gіthub.com')).toEqual(['lookalike i']);
    expect(marks('pаypаl')).toEqual(['lookalike a', 'lookalike a']);
    expect(marks('ѕсоре')).toEqual(['lookalike scope']);
    expect(marks('ｃｕｒｌ')).toEqual(['lookalike curl']);
    expect(marks('rm –rf a∕b')).toEqual(['lookalike -', 'lookalike /']);
  });

  it('leaves honest words of other scripts alone', () => {
    for (const text of [
      'Привет, мир',
      'Γειά σου Κόσμε',
      'Zoë Müller',
      '部署到生产',
      'naïve … “quoted” O’Connor',
      'emoji 🚀',
    ])
      expect([text, marks(text)]).toEqual([text, []]);
  });

  it('T33 marks blanks that push text out of sight, tabs, and blanks at the end', () => {
    expect(marks(`true${' '.repeat(200)}; rm -rf /`)).toEqual(['hidden 200 blanks']);
    expect(marks('make\tall ')).toEqual(['hidden tab', 'hidden 1 blank']);
    expect(marks('        indented  twice')).toEqual([]);
  });

  it('tells apart what deceives from what is only blank', () => {
    expect(isDeceiving('a\tb  \n')).toBe(false);
    expect(isDeceiving('a\u200bb')).toBe(true);
    expect(isDeceiving('gіt')).toBe(true);
  });

  it('T33 takes time in proportion to a line of a million characters', () => {
    const line = `${'а '.repeat(200_000)}${'x'.repeat(200_000)}${'\u200b'.repeat(200_000)}${' '.repeat(200_000)}é`;
    expect(
      markedText(line)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(line);
  });
});
