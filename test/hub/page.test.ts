import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_PATHS } from '../../agent/src/wire/page-paths.ts';
import { builtPage } from '../support/built-page.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';

/** What a first visit may load of script, gzipped. */
const MAX_FIRST_SCRIPT_BYTES = 90 * 1024;

describe('the page as the hub serves it', () => {
  let hub: TestHub;
  let folder: string;
  beforeAll(async () => {
    folder = await builtPage();
    hub = await startHub({ page: folder });
  });
  afterAll(() => hub.close());

  /** What is answered, read to its end: a hub that is stopped waits for answers that nobody reads. */
  const get = async (path: string, accept = 'text/html,application/xhtml+xml') => {
    const answer = await fetch(`${hub.url}${path}`, { headers: { accept }, redirect: 'manual' });
    return new Response(await answer.arrayBuffer(), answer);
  };
  const asset = (pattern: RegExp): string => {
    const name = readdirSync(join(folder, 'assets')).find((file) => pattern.test(file));
    return `/assets/${name}`;
  };

  it('is at each of its own paths, and nowhere else', async () => {
    for (const path of ['/', ...Object.values(PAGE_PATHS).map((each) => each.replace(':id', '7'))]) {
      const answer = await get(path);
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        200,
        'text/html; charset=utf-8',
      ]);
      expect(await answer.text()).toContain('<div id="page">');
    }
    for (const path of ['/nothing', '/inbox/7', '/index.html', '/assets/', '/assets/../index.html', '/api/v1/nothing'])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  it('T23 lets nothing into it but its own files, nothing inline, no frame around it and no text become script', async () => {
    const { headers } = await get('/inbox');
    const policy = headers.get('content-security-policy') ?? '';
    expect(Object.fromEntries(policy.split(';').map((each) => each.split(/ (.*)/s).slice(0, 2)))).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self'",
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'self'",
      'frame-ancestors': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': "'none'",
    });
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    const html = await (await get('/inbox')).text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son[a-z]+=|https?:/);
  });

  it('keeps what the API says of itself as it was', async () => {
    const api = await get('/api/v1/me');
    expect(api.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(api.headers.get('cache-control')).toBe('no-store');
  });

  it('T32 lets browsers keep files that are named by their content, and nothing else', async () => {
    const script = await get(asset(/^index-.*\.js$/));
    expect(script.status).toBe(200);
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    for (const path of ['/', '/inbox', '/holds/1', '/assets/nothing.js', '/healthz'])
      expect([path, (await get(path)).headers.get('cache-control')]).toEqual([path, 'no-store']);
  });

  it('answers a link to a Hold with the commands where no browser asks', async () => {
    const answer = await get('/holds/7', '*/*');
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await answer.text()).toContain('holdpoint holds show 7');
    expect((await get('/holds/seven')).status).toBe(400);
  });

  it('says the same to a browser where no page is built', async () => {
    const bare = await startHub();
    try {
      const answer = await fetch(`${bare.url}/holds/7`, { headers: { accept: 'text/html' } });
      expect(await answer.text()).toContain('holdpoint holds show 7');
      const inbox = await fetch(`${bare.url}/inbox`);
      expect([inbox.status, (await inbox.text()).length > 0]).toEqual([404, true]);
    } finally {
      await bare.close();
    }
  });

  it('is under 90 kB of script on the first visit, gzipped', () => {
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    const first = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((match) => match[1]!);
    expect(first.length).toBeGreaterThan(0);
    const bytes = first.map((path) => gzipSync(readFileSync(join(folder, path))).length);
    expect(bytes.reduce((a, b) => a + b)).toBeLessThan(MAX_FIRST_SCRIPT_BYTES);
  });

  it('names no other host in anything that is loaded', () => {
    const found = readdirSync(join(folder, 'assets'))
      .filter((file) => /^index-.*\.(?:js|css)$/.test(file))
      .flatMap(
        (file) =>
          readFileSync(join(folder, 'assets', file), 'utf8').match(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}/gi) ?? [],
      )
      // Names of namespaces, which nothing is loaded from.
      .filter((address) => !/www\.w3\.org/.test(address));
    expect(found).toEqual([]);
  });
});
