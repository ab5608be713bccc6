import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { routeOf } from '../../agent/src/runners/gitlab/routes.ts';
import { fixture, send } from '../support/gate.ts';
import { gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();

/** Writes bytes as they are and gives back all that came until the connection closed or one answer is there. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const finish = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(1_500, finish);
    socket.on('data', (part) => {
      text += part.toString('latin1');
    });
    socket.on('close', finish);
    socket.on('error', finish);
    socket.write(bytes, 'latin1');
  });
}

describe('the closed list of routes', () => {
  it.each([
    ['POST', '/api/v4/jobs/request', 'jobs_request'],
    ['POST', '/api/v4/runners', 'runner'],
    ['DELETE', '/api/v4/runners', 'runner'],
    ['POST', '/api/v4/runners/verify', 'runner'],
    ['DELETE', '/api/v4/runners/managers', 'runner'],
    ['POST', '/api/v4/runners/reset_authentication_token', 'runner'],
    ['POST', '/api/v4/runners/12/reset_authentication_token', 'reset_by_id'],
    ['GET', '/api/v4/runners/router/discovery', 'discovery'],
    ['PUT', '/api/v4/jobs/7', 'job_update'],
    ['PATCH', '/api/v4/jobs/7/trace?debug_trace=false', 'job_trace'],
    ['POST', '/api/v4/jobs/7/artifacts?expire_in=1+week&artifact_format=zip', 'artifacts'],
    ['GET', '/api/v4/jobs/7/artifacts?direct_download=true', 'artifacts'],
  ])('has %s %s', (method, url, kind) => {
    expect(routeOf(method, url)?.kind).toBe(kind);
  });

  it('drops the query of endpoints that take a runner token, and keeps that of traces and artifacts', () => {
    expect(routeOf('POST', '/api/v4/jobs/request?session[url]=x')?.target).toBe('/api/v4/jobs/request');
    expect(routeOf('PATCH', '/api/v4/jobs/7/trace?debug_trace=true')?.target).toBe(
      '/api/v4/jobs/7/trace?debug_trace=true',
    );
  });

  const spellings = [
    '/api/v4//jobs/request',
    '//api/v4/jobs/request',
    '/api/v4/jobs/%72equest',
    '/api/v4/jobs%2Frequest',
    '/api/v4/jobs/request/',
    '/api/v4/jobs/request;x=1',
    '/api/v4/jobs/./request',
    '/api/v4/x/../jobs/request',
    '/api/v4/jobs/REQUEST',
    '/API/v4/jobs/request',
    '/api/v4/jobs/request.json',
    '/api/v4/jobs/request%00',
    '/api/v4/jobs/request#x',
    '/api/v4/jobs/request\\',
    '/api/v4/jobs/7/../request',
    '/api/v4/jobs/07',
    '/api/v4/jobs/7e1',
    '/api/v4/jobs/99999999999999999999',
    '/api/v4/jobs/7/artifacts/../../request',
    '/api/v4/jobs/7/trace?x=\u00e9',
    '/api/v4/projects/1/variables',
    '/',
  ];

  it.each(spellings)('T47: %s is no route with any method', (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']) {
      expect(routeOf(method, path)).toBeNull();
    }
  });

  it('T47: no other spelling reaches GitLab or brings a job', async () => {
    const { fake, gate, token } = await scene();
    fake.enqueue(fixture('test-unit.run1'));
    const body = JSON.stringify({ token, info: {} });
    for (const path of spellings.filter((each) => /^[\x21-\x7e]+$/.test(each))) {
      const text = await raw(
        gate.port,
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      expect(text, path).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect(fake.log).toEqual([]);
  });

  it('T47: an absolute target, a proxy tunnel and a method that nobody knows are refused', async () => {
    const { fake, gate } = await scene();
    expect(
      await raw(
        gate.port,
        'POST http://gitlab.example.com/api/v4/jobs/request HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(gate.port, 'CONNECT gitlab.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n')).not.toMatch(/ 200 /);
    expect(await raw(gate.port, 'BREW /api/v4/jobs/request HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(fake.log).toEqual([]);
  });

  it.each([
    ['both lengths', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x'],
    ['a space before the colon', 'Content-Length : 2\r\n\r\n{}'],
    ['an unknown transfer coding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a coding behind chunked', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['a chunk size that is none', 'Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n'],
    ['a line feed alone', 'X: y\nContent-Length: 2\r\n\r\n{}'],
    ['a folded header', 'X: y\r\n z\r\nContent-Length: 2\r\n\r\n{}'],
  ])('T47: a request that could be read in two ways (%s) never reaches GitLab', async (_what, rest) => {
    const { fake, gate } = await scene();
    const smuggled = 'GET /api/v4/jobs/1/artifacts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const text = await raw(gate.port, `PUT /api/v4/jobs/1 HTTP/1.1\r\nHost: x\r\n${rest}${smuggled}`);
    expect(text === '' || /^HTTP\/1\.1 4\d\d /.test(text), text).toBe(true);
    expect(fake.log.filter((one) => one.method === 'GET')).toEqual([]);
  });

  it('takes hop-by-hop headers, those that Connection names and spelled-over ones out of both directions', async () => {
    const { fake, gate } = await scene();
    await send(gate.port, 'PUT', '/api/v4/jobs/1', {
      headers: {
        'content-type': 'application/json',
        connection: 'keep-alive, X-Secret-Hop',
        'x-secret-hop': '1',
        te: 'trailers',
        'proxy-authorization': 'Basic eA==',
        Job_Token: 'other',
        'x-request-id': 'abc',
      },
      body: '{"token":"x","state":"running"}',
    });
    const { headers } = fake.log.at(-1)!;
    for (const name of ['x-secret-hop', 'te', 'proxy-authorization', 'job_token'])
      expect(headers[name], name).toBeUndefined();
    expect([headers['x-request-id'], headers.host]).toEqual(['abc', `127.0.0.1:${fake.port}`]);
  });

  it('T39: the discovery of the job router is answered 501 here, and GitLab is not asked', async () => {
    const { fake, gate, token } = await scene();
    const reply = await send(gate.port, 'GET', '/api/v4/runners/router/discovery', {
      headers: { 'runner-token': token },
    });
    expect([reply.status, reply.body.toString()]).toEqual([501, '{"message":"501 Not Implemented"}']);
    expect(fake.log).toEqual([]);
  });
});
