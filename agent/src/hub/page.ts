import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldpointError } from '../domain/errors.ts';
import { PAGE_PATHS } from '../wire/page-paths.ts';

/**
 * What the page may do, and nothing else: its own scripts and styles, its own API and websocket. No inline script or
 * style, no frame around it, no text that becomes script (T23).
 */
const CSP = {
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
    'img-src': ["'self'"],
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
    'require-trusted-types-for': ["'script'"],
    'trusted-types': ["'none'"],
  },
};
const HEADERS = { contentSecurityPolicy: CSP, xFrameOptions: { action: 'deny' as const } };
/** What the page never asks for is off, so that no script in it could. */
const PERMISSIONS =
  'camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), display-capture=(), ' +
  'publickey-credentials-get=(self), publickey-credentials-create=(self)';

/** Nothing of the hold itself: whoever opens the link has not said who they are (T32). */
function holdHelp(id: number): string {
  return [
    `Look at hold ${id}:    holdpoint holds show ${id}`,
    `Approve it:         holdpoint approve ${id} --digest SHA256`,
    `Reject it:          holdpoint reject ${id} --comment WHY`,
    '',
  ].join('\n');
}

const wantsPage = (request: FastifyRequest): boolean => /\btext\/html\b/.test(request.headers.accept ?? '');

/**
 * Serves the page from the folder it was built into. A link to a Hold is answered with the commands where no page is
 * built, and wherever the asker is no browser.
 */
export async function servePage(app: FastifyInstance, folder: string | null): Promise<void> {
  const index = folder === null ? null : join(folder, 'index.html');
  // Read once: a build that replaces the folder meanwhile must not pair this process with another page's files.
  const html = index !== null && existsSync(index) ? readFileSync(index, 'utf8') : null;
  const send = (reply: FastifyReply, text: string) =>
    reply.header('permissions-policy', PERMISSIONS).type('text/html; charset=utf-8').send(text);

  app.get<{ Params: { id: string } }>(
    PAGE_PATHS.hold,
    { schema: { hide: true }, helmet: HEADERS },
    async (request, reply) => {
      const id = /^[1-9]\d{0,14}$/.exec(request.params.id)?.[0];
      if (id === undefined) throw new HoldpointError('bad_input', 'params.id: a Hold has a number');
      reply.header('vary', 'accept');
      if (html !== null && wantsPage(request)) return send(reply, html);
      return reply.type('text/plain; charset=utf-8').send(holdHelp(Number(id)));
    },
  );
  if (html === null || folder === null) return;
  for (const path of ['/', ...Object.values(PAGE_PATHS)]) {
    if (path !== PAGE_PATHS.hold)
      app.get(path, { schema: { hide: true }, helmet: HEADERS }, async (_, reply) => send(reply, html));
  }
  // Their names change with their content; everything else of the hub is never kept.
  await app.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    wildcard: false,
    index: false,
    dotfiles: 'deny',
    immutable: true,
    maxAge: '365d',
    decorateReply: false,
    schemaHide: true,
  });
}
