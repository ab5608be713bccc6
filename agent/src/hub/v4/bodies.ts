import formbody from '@fastify/formbody';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readStrictJson } from '../../domain/strict-json.ts';
import { emptyParams, type Params, paramsOf, readForm, UnreadableForm } from '../../wire/v4/form.ts';
import { V4Error } from './errors.ts';

/** 200 rules with all their members in the longest notation have a tenth of it. */
export const MAX_V4_BODY_BYTES = 256 * 1024;
const MAX_FIELDS = 2_000;
const MAX_FIELD_BYTES = 16 * 1024;

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof UnreadableForm) throw new V4Error('unreadable', {}, { cause });
    throw cause;
  }
}

/** JSON, form and multipart bodies, all read into the same Params; nothing else, and no files. */
export async function acceptBodies(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers();
  await app.register(formbody, {
    bodyLimit: MAX_V4_BODY_BYTES,
    parser: (text) => reading(() => readForm(text)),
  });
  await app.register(multipart, {
    limits: {
      files: 0,
      fields: MAX_FIELDS,
      parts: MAX_FIELDS,
      fieldSize: MAX_FIELD_BYTES,
      fieldNameSize: 200,
    },
  });
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: MAX_V4_BODY_BYTES },
    (_request, body, done) => {
      // Clients say that they send JSON where they send nothing.
      if (body.length === 0) return done(null, emptyParams());
      // Strictly, so that nobody between the client and us reads another list of approvers than we do (T2).
      const read = readStrictJson(body as Buffer, { map: 'any' });
      if (read.ok) done(null, read.value);
      else done(new V4Error('unreadable'));
    },
  );
  app.addContentTypeParser('*', (request, payload, done) => {
    payload.resume();
    // A client that names a type for a body that it does not send means nothing by it.
    if (Number(request.headers['content-length'] ?? 0) === 0 && request.headers['transfer-encoding'] === undefined)
      return done(null, emptyParams());
    const type = request.headers['content-type'] ?? '';
    done(new V4Error('content_type', { type: type.split(';')[0]!.slice(0, 100) }));
  });
}

async function fieldsOf(request: FastifyRequest): Promise<Params> {
  const pairs: [string, string][] = [];
  try {
    for await (const part of request.parts()) {
      // None is let through: the limit of files is 0.
      if (part.type === 'file') continue;
      if (part.fieldnameTruncated || part.valueTruncated) throw new V4Error('too_large');
      pairs.push([part.fieldname, String(part.value)]);
    }
  } catch (cause) {
    // Limits have codes of their own; what is left is a body that is no multipart.
    if (cause instanceof V4Error || (cause instanceof Error && 'code' in cause)) throw cause;
    throw new V4Error('unreadable', {}, { cause });
  }
  return reading(() => paramsOf(pairs));
}

/** The text behind the question mark. */
function queryText(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}

/** What the query says. */
export function queryOf(request: FastifyRequest): Params {
  return reading(() => readForm(queryText(request.raw.url ?? '')));
}

/** Query and body together; what stands in both is the body's, as in GitLab. */
export async function paramsOfRequest(request: FastifyRequest): Promise<Params> {
  const query = queryOf(request);
  const body = request.isMultipart() ? await fieldsOf(request) : ((request.body ?? {}) as Params);
  return Object.assign(emptyParams(), query, body);
}
