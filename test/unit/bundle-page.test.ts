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

const FILE = 'hold-1.bundle.json';
/** The page as the command writes it beside the bundle, or as the hub serves it. */
const pageOf = (statement: JsonObject, proof: string, url: string | null = null): string =>
  bundlePage(statement, proof, { file: FILE, url });

/** What a page consists of: the tags with their attributes, in order. */
const tagsOf = (html: string): string[] => html.match(/<[^>]*>/g) ?? [];
const plain = tagsOf(pageOf(statementWith('plain'), 'proof'));

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
    const html = pageOf(statementWith(text), text);
    expect(tagsOf(html)).toEqual(plain);
    expect(html).toContain(escapeHtml(text));
  });

  it('T23 has the same tags whatever the texts are', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '!', '-', 'a', '=', ' ', ';', '#', '\u202e'),
    });
    fc.assert(
      fc.property(nasty, (text) => {
        expect(tagsOf(pageOf(statementWith(text === '' ? 'x' : text), text))).toEqual(plain);
      }),
    );
  });

  it('T33 shows what deceives the eye by its code point', () => {
    const html = pageOf(statementWith('safe\u202egnp.exe\u200b\u0007'), 'proof');
    expect(html).not.toMatch(/[\u202e\u200b\u0007]/);
    expect(html).toContain('safe⟨U+202E⟩gnp.exe⟨U+200B⟩⟨U+0007⟩');
  });

  it('T23 runs, loads and sends nothing, links only within itself, and allows its one style by its hash', () => {
    const html = pageOf(statementWith('https://evil.example/'), 'proof');
    expect(html).not.toMatch(/<(script|link|img|iframe|object|embed|form|base|svg|video|audio)\b/i);
    expect(html).not.toMatch(/\s(on\w+|src|style|action)=/i);
    const ways = [...html.matchAll(/<a ([^>]*)>/g)].map(([, attributes]) => attributes!);
    for (const way of ways) expect(way).toMatch(/^href="#[a-z-]+"$/);
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
    const html = pageOf(statementWith('needle'), 'checked');
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
      expect(html).toContain(`>${title}</h2>`);
    expect(html.match(/needle/g)?.length).toBeGreaterThan(50);
    expect(html).toContain('checked');
  });

  it('links the bundle where the hub serves it, names the file beside it elsewhere, and says where the key is', () => {
    const url = '/api/v1/audit/bundle/holds/1';
    const served = pageOf(statementWith('x'), 'proof', url);
    expect(served).toContain(`<a href="${url}" download="${FILE}">the signed bundle ${FILE}</a>`);
    const written = pageOf(statementWith('x'), 'proof');
    expect(written).toContain(`the signed bundle <code>${FILE}</code>, written beside it`);
    expect(written).not.toContain('download=');
    for (const html of [served, written]) {
      expect(html).toContain('<code>/api/v1/audit/key</code>');
      expect(html).toContain(`holdpoint audit key &gt; HUB.pem\nholdpoint audit verify ${FILE} --key HUB.pem`);
    }
  });

  it('begins with what it has, each a way to a part of it, and keeps what is long folded', () => {
    const html = pageOf(statementWith('x'), 'proof');
    const ways = [...html.matchAll(/<a href="#([^"]+)">([^<]*)<\/a>/g)].map(([, id, title]) => [id, title]);
    const parts = [...html.matchAll(/<h2 id="([^"]+)">([^<]*)<\/h2>/g)].map(([, id, title]) => [id, title]);
    expect(parts.length).toBeGreaterThan(8);
    expect(ways).toEqual(parts);
    expect(new Set(parts.map(([id]) => id)).size).toBe(parts.length);
    expect(html.indexOf('<nav')).toBeLessThan(html.indexOf('<h2'));
    const [form, written] = [html.indexOf('&quot;holdpoint.configuration/v1&quot;'), html.indexOf('>event</th>')];
    for (const [at, part] of [
      [form, 'id="configuration"'],
      [written, 'id="rows-of-the-audit"'],
    ] as const) {
      const before = html.slice(html.indexOf(part), at);
      expect(before).toContain('<details><summary>');
      expect(before).not.toContain('</details>');
    }
  });

  it('says of a difference once what it is, and folds many of them', () => {
    const change = { section: 'image', path: 'image.name', words: 'image.name added', after: 'alpine' };
    const other = { section: 'variables', path: 'variables.KEY.value', words: 'the value of variable KEY changed' };
    const html = pageOf({ predicate: { difference: { summary: 'one', changes: [change, other] } } }, '');
    expect(html).toContain('<p>image.name added</p>');
    expect(html).toContain('<p>variables.KEY.value: the value of variable KEY changed</p>');
    const many = { summary: 'all of it is new', changes: Array.from({ length: 11 }, () => change) };
    const folded = pageOf({ predicate: { difference: many } }, '');
    expect(folded).toContain('<p>all of it is new</p><details><summary>All 11 differences</summary>');
    expect(html.slice(html.indexOf('id="difference'), html.indexOf('id="rows'))).not.toContain('<details>');
  });

  it('tells the detail of a row in words, by name, and keeps what was written folded', () => {
    const level = { name: 'maintainers', who: { kind: 'access_level', level: 40 }, count: 1 };
    const row = (seq: number, event: string, detail: JsonObject) => ({
      row: { seq, at: `2026-11-22T08:00:00.00${seq}Z`, actor: 'user:22 jonas', event, policy: null, detail },
    });
    const html = pageOf(
      {
        predicate: {
          hold: { trigger: { id: 9, username: 'zoe', name: 'Zoë Müller' } },
          review: { excluded: [9, 22, 31], rules: [] },
          audit: {
            rows: [
              row(1, 'review_opened', { rules: [level], self_approval: 'forbid', excluded: [9] }),
              row(2, 'deployment_created', {
                deploy_access: [[{ kind: 'user', id: 22, name: 'jonas' }], [{ kind: 'group', id: 5, name: null }]],
              }),
              row(3, 'of_another_version', { rules: ['odd', { who: 7 }], who: [], what_for: { a: 1 } }),
            ],
          },
        },
      },
      '',
    );
    expect(html).toContain(
      'asked for: 1 × maintainers (maintainer or higher); their own approval: counts neither of who triggered it nor of who wrote it; may not approve: Zoë Müller (@zoe), user 9<',
    );
    expect(html).toContain('may deploy: jonas, and besides members of group 5<');
    expect(html).toContain('what for: a: 1<');
    expect(html).toContain(
      '<th scope="row">may not approve</th><td>Zoë Müller (@zoe), user 9; jonas, user 22; user 31</td>',
    );
    expect(html.indexOf('&quot;access_level&quot;')).toBeGreaterThan(html.indexOf('The same rows as they are written'));
  });

  it('makes a page of a statement that lacks everything', () => {
    for (const statement of [{}, { predicate: null }, { predicate: { audit: [], review: 7, canonical: 'no json' } }])
      expect(pageOf(statement as unknown as JsonObject, '')).toContain('</html>');
  });
});
