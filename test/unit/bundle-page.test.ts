import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml } from '../../agent/src/domain/bundle-html.ts';
import { bundlePage } from '../../agent/src/domain/bundle-page.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';

/** A statement with one text at every place where somebody else's text can stand. */
function statementWith(text: string): JsonObject {
  const person = { id: 21, username: text, name: text };
  const vote = { person, decision: text, comment: text, lifetime: text, scope: text, covers: text, at: text };
  const form = { form: 'holdpoint.configuration/v1', image: { name: text }, steps: [{ script: [text], [text]: text }] };
  return {
    subject: [{ name: text, digest: { sha256: text } }],
    predicate: {
      about: text,
      made: { at: text, by: text, hub: text },
      canonical: JSON.stringify(form),
      hold: {
        state: text,
        project_path: text,
        project_id: 1,
        instance: text,
        job: text,
        ref: text,
        ref_protected: true,
        environment: text,
        trigger: person,
        opened_at: text,
        reason: text,
        attempts: [
          { job_id: 1, runner: text, agent: text, at: text, handed_out_at: text, ended_at: text, ended: text },
        ],
      },
      facts: { commit: { sha: text, title: text, author: text, people: [{ name: text }] }, pipeline: { source: text } },
      review: {
        policy: text,
        rules: [{ name: text, who: text, count: 1 }],
        self_approval: text,
        unknown: [text],
        excluded: [1],
        votes: [vote],
      },
      approval: {
        id: 1,
        scope_words: [text],
        lifetime: text,
        created_at: text,
        policy: text,
        revoked: { by: text, reason: text },
      },
      deployment: { [text]: text, votes: [text] },
      difference: {
        approval: 1,
        summary: text,
        changes: [{ section: text, path: text, words: text, before: text, after: text }],
      },
      audit: {
        rows: [
          {
            row: {
              seq: 1,
              at: text,
              actor: text,
              address: text,
              client: text,
              event: text,
              policy: text,
              detail: { [text]: text },
            },
          },
        ],
      },
    },
  };
}

/** What a page consists of: the tags with their attributes, in order. */
const tagsOf = (html: string): string[] => html.match(/<[^>]*>/g) ?? [];
const plain = tagsOf(bundlePage(statementWith('plain'), 'proof'));

const HOSTILE: readonly string[] = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</pre></td></table><h1>Approved by the board</h1>',
  '</title></style><script src=//evil.example></script>',
  '<!--',
  ']]>',
  '&lt;script&gt;',
  '&#60;script&#62;',
  '<svg/onload=alert(1)>',
  '<meta http-equiv="refresh" content="0;url=//evil.example">',
  'javascript:alert(1)',
  '{{constructor.constructor("alert(1)")()}}',
  '<base href=//evil.example>',
  '\u0000<\u0000script>',
  '＜script＞',
];

describe('the page of a bundle', () => {
  it.each(HOSTILE)('T23 shows %s as the text that it is: the same tags as with any other text', (text) => {
    const html = bundlePage(statementWith(text), text);
    expect(tagsOf(html)).toEqual(plain);
    expect(html).toContain(escapeHtml(text));
  });

  it('T23 has the same tags whatever the texts are', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '!', '-', 'a', '=', ' ', ';', '#', '\u202e'),
    });
    fc.assert(
      fc.property(nasty, (text) => {
        expect(tagsOf(bundlePage(statementWith(text === '' ? 'x' : text), text))).toEqual(plain);
      }),
    );
  });

  it('T33 shows what deceives the eye by its code point', () => {
    const html = bundlePage(statementWith('safe\u202egnp.exe\u200b\u0007'), 'proof');
    expect(html).not.toMatch(/[\u202e\u200b\u0007]/);
    expect(html).toContain('safe⟨U+202E⟩gnp.exe⟨U+200B⟩⟨U+0007⟩');
  });

  it('T23 runs, loads, sends and links nothing, and allows its one style by its hash', () => {
    const html = bundlePage(statementWith('https://evil.example/'), 'proof');
    expect(html).not.toMatch(/<(script|link|img|iframe|object|embed|form|a|base|svg|video|audio)\b/i);
    expect(html).not.toMatch(/\s(on\w+|src|href|style|action)=/i);
    const style = /<style>([^<]*)<\/style>/.exec(html)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(html).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">`,
    );
    // What comes before the policy is not bound by it.
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<title>'));
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<style>'));
  });

  it('shows votes, rules, rows, runs and the difference', () => {
    const html = bundlePage(statementWith('needle'), 'checked');
    for (const title of [
      'What it was',
      'Runs',
      'What was asked',
      'Votes',
      'Approval',
      'Deployment',
      'Rows of the audit',
      'Configuration',
    ])
      expect(html).toContain(`<h2>${title}</h2>`);
    expect(html.match(/needle/g)?.length).toBeGreaterThan(50);
    expect(html).toContain('checked');
  });

  it('makes a page of a statement that lacks everything', () => {
    for (const statement of [{}, { predicate: null }, { predicate: { audit: [], review: 7, canonical: 'no json' } }])
      expect(bundlePage(statement as unknown as JsonObject, '')).toContain('</html>');
  });
});
