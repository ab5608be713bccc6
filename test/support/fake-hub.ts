import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { digestOf } from '../../agent/src/domain/digest.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import type { HoldDetail, ViewerEvent } from '../../agent/src/wire/api.ts';
import type { ApprovalDetail } from '../../agent/src/wire/approvals.ts';

/** A hub that holds what a test puts into it, on a real port, speaking the bodies of wire/api.ts. */
export interface FakeHub {
  readonly url: string;
  readonly holds: Map<number, HoldDetail>;
  readonly approvals: Map<number, ApprovalDetail>;
  /** Lists by path, for those that a test fills itself: `/api/v1/tokens`, `/api/v1/audit`, … */
  readonly lists: Map<string, unknown[]>;
  readonly requests: { method: string; path: string; query: string; authorization: string | null; body: unknown }[];
  /** Answers the next requests of this path (all paths when empty) this way instead. */
  answer(path: string, respond: (response: ServerResponse) => void): void;
  /** Sends a hint to everybody who follows. */
  hint(event: ViewerEvent): void;
  /** Cuts the connections of those who follow. */
  cut(): void;
  followers(): number;
  close(): Promise<void>;
}

/** Items of one page of a list: small, so that every test of a longer list turns pages. */
const PAGE = 2;

/** Writes a JSON answer. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

/** An RFC 9457 problem document. */
export function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  json(response, status, { type: `urn:holdpoint:${code}`, title: code, status, detail, code });
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? null : JSON.parse(text);
}

/** Starts it; with `token` every request needs that one. */
export async function startFakeHub(token: string | null = null): Promise<FakeHub> {
  const holds = new Map<number, HoldDetail>();
  const approvals = new Map<number, ApprovalDetail>();
  const lists = new Map<string, unknown[]>();
  const requests: FakeHub['requests'] = [];
  const answers: { path: string; respond: (response: ServerResponse) => void }[] = [];
  const sockets = new Set<Socket>();
  const followers = new WebSocketServer({ noServer: true });

  const page = (response: ServerResponse, items: readonly unknown[], query: URLSearchParams): void => {
    // As the hub does: the cursor is the number of the last item of the page before.
    const number = (item: unknown) =>
      (item as { seq?: number }).seq ?? (item as { id?: number }).id ?? items.indexOf(item) + 1;
    const cursor = Number(query.get('cursor') ?? 0);
    const isNewest = query.get('sort') === 'desc';
    const rest = isNewest
      ? [...items].reverse().filter((item) => cursor === 0 || number(item) < cursor)
      : items.filter((item) => number(item) > cursor);
    const shown = rest.slice(0, Math.min(PAGE, Number(query.get('limit') ?? PAGE)));
    json(response, 200, {
      items: shown,
      next_cursor: rest.length > shown.length ? String(number(shown.at(-1))) : null,
    });
  };
  const listed = (hold: HoldDetail) => {
    const { configuration, facts, attempts, votes, rules, may_vote, quorum, diff, history, people, ...more } = hold;
    const {
      hidden,
      inputs,
      scope,
      unknown,
      retry,
      step_up,
      waits_for,
      deployment,
      keeps,
      break_glass,
      watching,
      ...rest
    } = more;
    return rest;
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://hub');
    const { pathname } = url;
    const authorization = request.headers.authorization ?? null;
    const body = await bodyOf(request);
    requests.push({ method: request.method ?? '', path: pathname, query: url.search, authorization, body });
    const prepared = answers.findIndex((entry) => entry.path === '' || entry.path === pathname);
    if (prepared >= 0) return answers.splice(prepared, 1)[0]?.respond(response);
    if (token !== null && authorization !== `Bearer ${token}`) {
      return problem(
        response,
        401,
        'unauthenticated',
        'this token is not known: make one with "holdpoint token create"',
      );
    }
    if (pathname === '/api/v1/holds') {
      const states = url.searchParams.get('state')?.split(',');
      const found = [...holds.values()].filter((hold) => !states || states.includes(hold.state));
      return page(response, found.map(listed), url.searchParams);
    }
    const list = lists.get(pathname);
    if (list !== undefined && request.method === 'GET') return page(response, list, url.searchParams);
    const [, kind, id, verb] = /^\/api\/v1\/(holds|approvals)\/(\d+)(?:\/(\w+))?$/.exec(pathname) ?? [];
    const hold = kind === 'holds' ? holds.get(Number(id)) : undefined;
    const approval = kind === 'approvals' ? approvals.get(Number(id)) : undefined;
    if (hold && verb === undefined) return json(response, 200, hold);
    if (approval && verb === undefined) return json(response, 200, approval);
    if (approval && verb === 'revoke') {
      approvals.set(approval.id, {
        ...approval,
        valid: false,
        revoked_at: '2026-11-22T10:00:00Z',
        revoked_by: 'maria',
      });
      return json(response, 200, approvals.get(approval.id));
    }
    if (hold && (verb === 'approve' || verb === 'reject')) {
      const { digest } = body as { digest: string };
      if (digest !== hold.digest)
        return problem(response, 409, 'digest_mismatch', `hold ${hold.id} has another digest`);
      if (hold.state !== 'waiting_for_approval') {
        return problem(response, 409, 'wrong_state', `hold ${hold.id} is ${hold.state}: it can no longer be decided`);
      }
      const state = verb === 'approve' ? 'pending' : 'rejected';
      // One answer for all that wait for the same question.
      for (const other of holds.values()) {
        if (other.review !== hold.review) continue;
        holds.set(other.id, { ...other, state, version: other.version + 1, approval: verb === 'approve' ? 7 : null });
      }
      return json(response, 200, holds.get(hold.id));
    }
    return problem(response, 404, 'not_found', `there is no ${pathname}`);
  }

  const server = createServer((request, response) => void handle(request, response));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clients = new Set<{ terminate(): void; send(text: string): void }>();
  server.on('upgrade', (request, socket, head) => {
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) {
      socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    followers.handleUpgrade(request, socket, head, (client) => {
      clients.add(client);
      client.on('close', () => clients.delete(client));
    });
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holds,
    approvals,
    lists,
    requests,
    answer: (path, respond) => void answers.push({ path, respond }),
    hint: (event) => {
      for (const client of clients) client.send(JSON.stringify(event));
    },
    cut: () => {
      for (const client of clients) client.terminate();
    },
    followers: () => clients.size,
    close: async () => {
      for (const client of clients) client.terminate();
      followers.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A configuration of the shape that payloads give, with this script. */
export function configurationWith(script: readonly string[], image = 'registry.example.com/build:1.4'): JsonObject {
  return {
    form: 'holdpoint.configuration/v1',
    image: { name: image },
    steps: [{ name: 'script', script: [...script], timeout: null, when: 'on_success' }],
    variables: [{ key: 'TARGET', value: 'production' }],
  };
}

const person = (id: number, username: string, name: string) => ({ id, username, name });

/** A Hold that waits, of a deploy job; what matters to a test is given. */
export function aHold(id: number, more: Partial<HoldDetail> = {}): HoldDetail {
  const configuration = (more.configuration as JsonObject | undefined) ?? configurationWith(['make', 'make deploy']);
  return {
    id,
    state: 'waiting_for_approval',
    version: 1,
    step_up: 'none',
    waits_for: ['configuration'],
    deployment: null,
    keeps: [],
    watching: null,
    break_glass: [],
    review: 3,
    digest: digestOf(configuration),
    instance: 'https://gitlab.example.com',
    project_id: 42,
    project_path: 'acme/shop',
    job: 'deploy-production',
    stage: 'deploy',
    ref: 'refs/heads/main',
    ref_protected: true,
    environment: 'production',
    pipeline_id: 812,
    job_id: 9001,
    job_url: 'https://gitlab.example.com/acme/shop/-/jobs/9001',
    runner: 'prod-deployer-01',
    trigger: { ...person(12, 'alice', 'Alice Adams'), verified: 'gitlab' },
    opened_at: '2026-11-22T07:00:00Z',
    expires_at: '2026-12-22T07:00:00Z',
    ended_at: null,
    attempt: { job_id: 9001, agent: 'embedded', parked_until: '2026-11-22T08:00:00Z' },
    approval: null,
    reason: null,
    url: `http://127.0.0.1:8094/holds/${id}`,
    retry: null,
    configuration,
    facts: {
      instance: 'https://gitlab.example.com',
      project: { id: 42, path: 'acme/shop' },
      job: { id: 9001, name: 'deploy-production', stage: 'deploy', url: null },
      pipeline: { id: 812, source: 'push', url: null, verified: true },
      ref: { full: 'refs/heads/main', name: 'main', type: 'branch', protected: true },
      commit: {
        sha: '8f14e45fceea167a5a36dedd4bea2543f0a1b2c3',
        title: 'Ship it',
        author: 'Alice Adams <alice@example.com>',
        people: [{ role: 'author', id: 12, name: 'Alice Adams', email: 'alice@example.com' }],
      },
      environment: {
        name: 'production',
        slug: 'production',
        tier: 'production',
        action: 'start',
        url: null,
        verified: false,
      },
      trigger: { ...person(12, 'alice', 'Alice Adams'), verified: 'gitlab' },
      roles: ['developer'],
      runner: 'prod-deployer-01',
      timeout_s: 3600,
      dependencies: [],
      blind: [],
      behaviour: [],
      not_covered: [{ path: 'git_info.sha', value: '8f14e45fceea', reason: 'every push has another' }],
      warnings: [],
    },
    attempts: [
      {
        job_id: 9001,
        agent: 'embedded',
        runner: 'prod-deployer-01',
        at: '2026-11-22T07:00:00Z',
        ended_at: null,
        ended: null,
        parked_until: null,
      },
    ],
    votes: [],
    rules: [
      {
        name: 'maintainers',
        need: 1,
        have: 0,
        eligible: [person(7, 'maria', 'Maria Moss')],
        eligible_count: 1,
        who: 'maintainer or higher',
        voted: [],
        mine: true,
        asked: 'both',
      },
    ],
    may_vote: {
      allowed: true,
      reason: null,
      rule: 'maintainers',
      rules: ['maintainers'],
      reject: true,
      reject_reason: null,
      voted: null,
      ask: [],
      ask_count: 0,
    },
    quorum: null,
    hidden: [],
    inputs: { class: 'admitted', dependencies: [] },
    scope: {
      usual: 'ref=exact inputs=same_pipeline',
      words: [
        'refs/heads/main only (protected)',
        'environment production only',
        'artifacts only from jobs of the same pipeline',
      ],
      max_inputs: 'any',
      max_ref: 'exact',
    },
    unknown: [],
    diff: { approval: null, digest: null, over: null, summary: '', changes: [] },
    history: [],
    people: [],
    ...more,
  };
}

/** A standing approval of this configuration, for the same job. */
export function anApproval(id: number, configuration: JsonObject, more: Partial<ApprovalDetail> = {}): ApprovalDetail {
  return {
    id,
    digest: digestOf(configuration),
    review: 1,
    instance: 'https://gitlab.example.com',
    project_id: 42,
    project_path: 'acme/shop',
    job: 'deploy-production',
    ref: 'refs/heads/main',
    ref_protected: true,
    environment: 'production',
    scope: 'ref=exact inputs=same_pipeline',
    scope_words: ['refs/heads/main only (protected)'],
    lifetime: 'standing',
    until: null,
    hold: null,
    votes: [
      {
        person: person(7, 'maria', 'Maria Moss'),
        decision: 'approve',
        comment: null,
        lifetime: 'standing',
        scope: 'ref=exact inputs=same_pipeline',
        represented_as: null,
        counts: true,
        at: '2026-05-12T09:00:00Z',
      },
    ],
    policy: 'sha256:policy',
    created_at: '2026-05-12T09:00:00Z',
    last_used_at: '2026-11-21T09:00:00Z',
    times_used: 57,
    uses_left: null,
    renews: null,
    revoked_at: null,
    revoked_by: null,
    valid: true,
    auto: null,
    break_glass: false,
    configuration,
    rules: [],
    runners: [],
    renewed_by: null,
    ...more,
  };
}
