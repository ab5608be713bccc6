import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { authenticateJob, isAnswer, jobOfToken } from './job-auth.ts';
import { generated } from './jobs.ts';
import { throttled } from './limits.ts';
import { type Answer, type Artifact, json, refuse, type World } from './state.ts';

/** Uploads up to this size are kept and can be downloaded again; of larger ones size and hash are known. */
const KEPT_BYTES = 1024 * 1024;

/** `POST /jobs/:id/artifacts`: the `file` part of a multipart body, counted and hashed as it flows. */
export async function uploadArtifact(
  world: World,
  id: number,
  token: string,
  query: URLSearchParams,
  request: IncomingMessage,
): Promise<Answer> {
  const refusedFirst = throttled(world, 'job', token, world.options.jobEndpointsPerMinute);
  const job = refusedFirst ?? authenticateJob(world, id, token);
  if (isAnswer(job)) {
    request.resume();
    return job;
  }
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)"?/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) {
    request.resume();
    return json(400, { error: 'file is missing' });
  }
  const part = await readPart(request, boundary);
  if (part === null) return json(400, { error: 'file is invalid' });
  job.artifacts.push({ ...part, type: query.get('artifact_type') ?? 'archive' });
  return json(201, '201');
}

/** Streams one multipart file through; null if the body ends before the part does. */
async function readPart(request: IncomingMessage, boundary: string): Promise<Omit<Artifact, 'type'> | null> {
  const end = Buffer.from(`\r\n--${boundary}`);
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  let name = 'artifacts.zip';
  let size = 0;
  let state: 'head' | 'body' | 'done' = 'head';
  let rest: Buffer = Buffer.alloc(0);
  const take = (bytes: Buffer) => {
    hash.update(bytes);
    size += bytes.length;
    if (size <= KEPT_BYTES) kept.push(Buffer.from(bytes));
  };
  for await (const chunk of request) {
    if (state === 'done') continue; // read to the end: what follows belongs to no file
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    if (state === 'head') {
      const blank = rest.indexOf('\r\n\r\n');
      if (blank < 0) continue;
      name = /filename="([^"]*)"/.exec(rest.subarray(0, blank).toString('utf8'))?.[1] ?? name;
      rest = rest.subarray(blank + 4);
      state = 'body';
    }
    const at = rest.indexOf(end);
    if (at >= 0) {
      take(rest.subarray(0, at));
      state = 'done';
      rest = Buffer.alloc(0);
    } else if (rest.length > end.length) {
      take(rest.subarray(0, rest.length - end.length));
      rest = rest.subarray(rest.length - end.length);
    }
  }
  if (state !== 'done') return null;
  const content = size <= KEPT_BYTES ? Buffer.concat(kept) : null;
  return { name, sizeBytes: size, hash: `sha256:${hash.digest('hex')}`, content };
}

/** `GET /jobs/:id/artifacts`: streamed, or with direct_download a redirect to the object storage. */
export function downloadArtifact(world: World, id: number, token: string, direct: boolean): Answer {
  const reader = jobOfToken(world, token);
  if (reader === null) return refuse(401, '401 Unauthorized');
  const job = world.jobs.get(id);
  if (job === undefined || job.projectId !== reader.projectId) return refuse(403, '403 Forbidden');
  const artifact = job.artifacts[0];
  if (artifact === undefined) return refuse(404, '404 Not found');
  if (!direct) return artifactAnswer(artifact);
  const signature = createHash('sha256').update(`${world.apiToken}:${id}`).digest('hex');
  const location = `${world.objectStorageUrl}/artifacts/${id}/${encodeURIComponent(artifact.name)}?X-Amz-Signature=${signature}`;
  return { status: 302, headers: { Location: location }, body: '' };
}

/** The object storage: knows no tokens, only its own signature. */
export function objectStorage(world: World, url: URL): Answer {
  const id = Number(/^\/artifacts\/(\d+)\//.exec(url.pathname)?.[1]);
  const signature = createHash('sha256').update(`${world.apiToken}:${id}`).digest('hex');
  const artifact = world.jobs.get(id)?.artifacts[0];
  if (artifact === undefined || url.searchParams.get('X-Amz-Signature') !== signature)
    return { status: 403, body: 'AccessDenied' };
  return artifactAnswer(artifact);
}

function artifactAnswer(artifact: Artifact): Answer {
  const { content, sizeBytes, name } = artifact;
  if (content === null) return refuse(404, '404 Not found');
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(sizeBytes),
      'Content-Disposition': `attachment; filename="${name}"; filename*=UTF-8''${encodeURIComponent(name)}`,
    },
    body: typeof content === 'number' ? streamed(content, sizeBytes) : content,
  };
}

async function* streamed(seed: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
  yield* generated(seed, sizeBytes);
}
