/** One request, followed through gateway, link and hub: in the logs, and in a trace that a collector is sent. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fixture, send } from '../support/gate.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { sourceFiles } from '../support/source-files.ts';

let scene: Scene;
let collector: Server | null = null;
afterEach(async () => {
  await scene?.close();
  collector?.closeAllConnections();
  await new Promise<void>((resolve) => (collector === null ? resolve() : collector.close(() => resolve())));
  collector = null;
});

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const enqueue = (): number =>
  scene.gitlab.enqueue(fixture('deploy-production.run1'), { runner: scene.protectedToken, user: zoe });

/** A poll of the protected runner with this X-Request-Id. */
async function poll(id: string): Promise<number> {
  const { status } = await send(Number(new URL(scene.agent.gatewayUrl).port), 'POST', '/api/v4/jobs/request', {
    headers: { 'content-type': 'application/json', 'x-request-id': id },
    body: JSON.stringify({ token: scene.protectedToken, info: {} }),
  });
  return status;
}
interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
const lines = (): Line[] =>
  scene.log.lines.map((line) => {
    const [, message = '', json = '{}'] = /^\w+ (.*?) (\{.*\})$/s.exec(line) ?? [];
    return { message, fields: JSON.parse(json) as Record<string, unknown> };
  });

describe('the log', () => {
  it("has one line for each decision, with hold, digest and outcome, under the runner's X-Request-Id on both sides of the link", async () => {
    scene = await openScene();
    const id = '01JDA7YQ8V3M5N6P7R8S9T0WXY';
    const job = enqueue();
    expect(await poll(id)).toBe(204);
    const hold = await scene.hold(job, 'waiting_for_approval');
    const of = (message: string, outcome: string) =>
      lines().filter((line) => line.message === message && line.fields.outcome === outcome);
    const about = { hold: hold.id, digest: hold.digest, request: id };
    expect(of('verdict', 'hold').map(({ fields }) => fields)).toMatchObject([{ part: 'gateway', job, ...about }]);
    expect(of('decision', 'hold_opened').map(({ fields }) => fields)).toMatchObject([{ part: 'hub', ...about }]);

    // The id of the job's request stays with it over a restart; a vote comes with its own.
    await scene.restart();
    const maria = await scene.as('maria');
    const vote = await fetch(`${scene.agent.hubUrl}/api/v1/holds/${hold.id}/approve`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${maria.token}`,
        'content-type': 'application/json',
        'x-request-id': 'vote-of-maria-1',
      },
      body: JSON.stringify({ digest: hold.digest }),
    });
    expect([vote.status, vote.headers.get('x-request-id')]).toEqual([200, 'vote-of-maria-1']);
    expect(of('decision', 'vote_approve').map(({ fields }) => fields)).toMatchObject([
      { hold: hold.id, digest: hold.digest, actor: 'user:21 maria', request: 'vote-of-maria-1' },
    ]);
    await scene.gitlab.until('the release', () => of('the hub decided', 'release').length === 1);
    expect(await poll('01JDA7YQ8V3M5N6P7R8S9T0WXZ')).toBe(201);
    await scene.gitlab.until('the line', () => of('handed out', 'released').length === 1);
    expect(of('handed out', 'released')[0]!.fields).toMatchObject({ job, ...about });
  });

  it.each([
    ['a token', 'glrt-t1_AbCdEfGhIjKlMnOpQrSt'],
    ['an escape sequence', 'aaaaaaaa\u009b31mred'],
    ['more than a word', 'id hold=12 outcome=pass'],
    ['too long a word', 'a'.repeat(65)],
    ['too short a word', 'a'],
    ['JSON', '{"request":"x"}'],
  ])('T32 T33 takes no X-Request-Id that is %s, and gives the request one of its own', async (_what, sent) => {
    scene = await openScene();
    enqueue();
    expect(await poll(sent)).toBe(204);
    await scene.gitlab.until('the verdict', () => lines().some((line) => line.message === 'verdict'));
    const found = lines().filter((line) => line.fields.request !== undefined);
    expect(found.length).toBeGreaterThan(1);
    for (const { fields } of found) expect(fields.request).toMatch(/^[0-9a-f]{32}$/);
    if (sent.length > 1) expect(scene.log.lines.join('\n')).not.toContain(sent);
    const answer = await fetch(`${scene.agent.hubUrl}/healthz`, { headers: { 'x-request-id': sent } });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  });
});

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

/** A collector that takes OTLP over HTTP and keeps what came. */
async function startCollector(): Promise<{ url: string; spans(): OtlpSpan[]; text(): string }> {
  const bodies: string[] = [];
  collector = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += chunk));
    req.on('end', () => {
      if (req.url === '/v1/traces') bodies.push(body);
      res.writeHead(req.url === '/v1/traces' ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector!.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    text: () => bodies.join('\n'),
    spans: () =>
      bodies.flatMap((body) =>
        (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] }).resourceSpans.flatMap((r) =>
          r.scopeSpans.flatMap((s) => s.spans),
        ),
      ),
  };
}

describe('a trace', () => {
  it('follows a job from the poll over the link to its runner, and has no secret in it (T32)', async () => {
    const { url, spans, text } = await startCollector();
    scene = await openScene({ extra: `trace: { otlp_url: ${url} }` });
    scene.runner();
    const job = enqueue();
    await scene.approve(job);
    await scene.hold(job, 'success');
    const mine = () => spans().filter((span) => value(span, 'holdpoint.job') === String(job));
    const wanted = ['take in a job', 'ask for a verdict', 'give a verdict', 'hand over', 'transfer'];
    await scene.gitlab.until(
      'the spans',
      () => wanted.every((name) => mine().some((span) => span.name === name)),
      15_000,
    );
    expect(new Set(mine().map((span) => span.traceId)).size).toBe(1);
    const one = (name: string) => mine().find((span) => span.name === name)!;
    expect(one('ask for a verdict').parentSpanId).toBe(one('take in a job').spanId);
    expect(one('give a verdict').parentSpanId).toBe(one('ask for a verdict').spanId);
    expect(one('hand over').parentSpanId).toBe(one('take in a job').spanId);
    expect(value(one('give a verdict'), 'holdpoint.outcome')).toBe('hold');
    expect(value(one('hand over'), 'holdpoint.outcome')).toBe('released');
    const answers = spans().filter((span) => span.name === 'answer a request');
    expect(answers.map((span) => value(span, 'http.route'))).toContain('POST /api/v1/holds/:id/approve');

    const maria = await scene.as('maria');
    const payload = JSON.parse(scene.gitlab.job(job).payload ?? '{}') as {
      token: string;
      variables: { value: string | null; public: boolean; masked: boolean }[];
    };
    const hidden = payload.variables.filter((each) => each.masked || !each.public).map((each) => each.value ?? '');
    const secrets = [payload.token, maria.token, scene.protectedToken, ...hidden].filter((each) => each.length >= 8);
    expect(secrets.length).toBeGreaterThan(4);
    for (const secret of secrets) expect(text(), secret).not.toContain(secret);
  }, 40_000);

  it('holds nothing up while its collector is away, neither a job nor a stop', async () => {
    scene = await openScene({ extra: 'trace: { otlp_url: http://127.0.0.1:9 }' });
    scene.runner();
    const job = enqueue();
    await scene.approve(job);
    await scene.hold(job, 'success');
    await scene.restart();
  }, 30_000);

  it('costs nothing where nobody wants one: its libraries are loaded by name only, in one place', () => {
    const files = sourceFiles('agent/src');
    const loads = files.filter(({ imports }) => imports.some((name) => name.startsWith('@opentelemetry/')));
    expect(loads.map(({ path }) => path)).toEqual(['agent/src/system/tracing.ts']);
    const statically = files.filter(({ text }) => /^import .* from '[^']*\/tracing\.ts'/m.test(text));
    expect(statically).toEqual([]);
  });
});

function value(span: OtlpSpan, key: string): string | null {
  const found = span.attributes.find((attribute) => attribute.key === key);
  return found === undefined ? null : String(Object.values(found.value)[0]);
}
