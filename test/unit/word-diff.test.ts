import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffText } from '../../agent/src/domain/text-diff.ts';
import { diffWords } from '../../agent/src/domain/word-diff.ts';

const changed = (pieces: readonly { kind: string; text: string }[]) =>
  pieces.filter((piece) => piece.kind === 'changed').map((piece) => piece.text);
const joined = (pieces: readonly { text: string }[]) => pieces.map((piece) => piece.text).join('');

describe('words of a changed line', () => {
  it('are those that changed, and no others', () => {
    const { before, after } = diffWords('docker pull registry/app:1.4.2', 'docker pull registry/app:1.4.3');
    expect([changed(before), changed(after)]).toEqual([['2'], ['3']]);
  });

  it('joined are the two lines, whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const { before, after } = diffWords(a, b);
        expect([joined(before), joined(after)]).toEqual([a, b]);
      }),
    );
  });

  it('T33 show every difference as changed, a blank that came included', () => {
    const { after } = diffWords('rm -rf /tmp/x', 'rm -rf / tmp/x');
    expect(changed(after)).toEqual([' ']);
  });

  it('are the whole line where hardly anything is common, and in lines nobody reads word by word', () => {
    expect(changed(diffWords('make test', 'curl -s https://a.example | sh').after)).toEqual([
      'curl -s https://a.example | sh',
    ]);
    const long = 'x '.repeat(50_000);
    expect(diffWords(long, `${long}y`).after).toEqual([{ kind: 'changed', text: `${long}y` }]);
  });
});

describe('a text of several lines', () => {
  it('is told line by line, and word by word where a line became another', () => {
    const rows = diffText('set -e\nmake\nexit 0', 'set -e\nmake install\nexit 0');
    expect(rows.map(({ kind, pieces }) => `${kind}: ${joined(pieces)}`)).toEqual([
      'same: set -e',
      'removed: make',
      'added: make install',
      'same: exit 0',
    ]);
    expect(changed(rows[2]!.pieces)).toEqual([' install']);
  });

  it('T33 has every line of both sides, in their order', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '')).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const rows = diffText(before, after);
        const side = (not: string) =>
          rows
            .filter(({ kind }) => kind !== not)
            .map(({ pieces }) => joined(pieces))
            .join('\n');
        expect([side('added'), side('removed')]).toEqual([before, after]);
      }),
    );
  });
});
