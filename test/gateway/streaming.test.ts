import { createHash } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gate, startGate } from '../support/gate.ts';

const MIB = 1024 * 1024;
const TOTAL = 320 * MIB;
/** What may be on its way at a time: socket buffers of two connections, and what is still to be collected. */
const MAX_GROWTH = 120 * MIB;

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function between(upstream: Server): Promise<Gate> {
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const { port } = upstream.address() as AddressInfo;
  const gate = await startGate({ gitlabUrl: `http://127.0.0.1:${port}/gitlab/`, runners: [] });
  closing.push(() => gate.close());
  return gate;
}

/** The most that this process held beyond what it held at first, while `run` went on. */
async function growth<T>(run: () => Promise<T>): Promise<{ value: T; grownBytes: number }> {
  global.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 10);
  const value = await run();
  clearInterval(timer);
  return { value, grownBytes: most - before };
}

const piece = Buffer.alloc(MIB, 'holdpoint ');

describe('artifacts of gigabytes', () => {
  it('go up in a chunked stream with flat memory, every byte, under a relative URL', async () => {
    const hash = createHash('sha256');
    let size = 0;
    let seen: unknown = null;
    const gate = await between(
      createServer((req, res) => {
        seen = [req.url, req.headers['content-type'], req.headers['transfer-encoding'], req.headers['content-length']];
        req.on('data', (part: Buffer) => {
          size += part.length;
          hash.update(part);
        });
        req.on('end', () => res.writeHead(201, { 'Content-Type': 'application/json' }).end('{}'));
      }),
    );
    const expected = createHash('sha256');
    const { value: status, grownBytes } = await growth(
      () =>
        new Promise<number>((resolve, reject) => {
          const req = request(
            {
              port: gate.port,
              method: 'POST',
              path: '/api/v4/jobs/5/artifacts?artifact_format=zip',
              headers: { 'content-type': 'multipart/form-data; boundary=xyz', 'job-token': 'x' },
            },
            (res) => {
              res.resume();
              res.on('end', () => resolve(res.statusCode ?? 0));
            },
          );
          req.on('error', reject);
          let left = TOTAL / MIB;
          const more = (): void => {
            while (left-- > 0) {
              expected.update(piece);
              if (!req.write(piece)) {
                req.once('drain', more);
                return;
              }
            }
            req.end();
          };
          more();
        }),
    );
    expect([status, size]).toEqual([201, TOTAL]);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    expect(seen).toEqual([
      '/gitlab/api/v4/jobs/5/artifacts?artifact_format=zip',
      'multipart/form-data; boundary=xyz',
      'chunked',
      undefined,
    ]);
    expect(grownBytes).toBeLessThan(MAX_GROWTH);
  });

  it('come down with flat memory, and wait for a runner that reads slowly', async () => {
    let written = 0;
    const gate = await between(
      createServer((_req, res) => {
        res.writeHead(200, { 'Content-Length': TOTAL, 'Content-Type': 'application/zip' });
        const more = (): void => {
          while (written < TOTAL) {
            written += MIB;
            if (!res.write(piece)) {
              res.once('drain', more);
              return;
            }
          }
          res.end();
        };
        more();
      }),
    );
    const { value: got, grownBytes } = await growth(
      () =>
        new Promise<{ size: number; writtenWhilePaused: number }>((resolve, reject) => {
          request({ port: gate.port, path: '/api/v4/jobs/5/artifacts', headers: { 'job-token': 'x' } }, (res) => {
            let size = 0;
            let writtenWhilePaused = 0;
            let looks = 0;
            let last = -1;
            res.pause();
            // Not read at all until GitLab has stopped writing: nothing in between may take it in.
            const timer = setInterval(() => {
              if (written === last && ++looks > 3) {
                clearInterval(timer);
                writtenWhilePaused = written;
                res.resume();
              }
              last = written;
            }, 30);
            res.on('data', (part: Buffer) => {
              size += part.length;
            });
            res.on('end', () => resolve({ size, writtenWhilePaused }));
            res.on('error', reject);
          }).end();
        }),
    );
    expect(got.size).toBe(TOTAL);
    expect(got.writtenWhilePaused).toBeLessThan(TOTAL / 4);
    expect(grownBytes).toBeLessThan(MAX_GROWTH);
  });

  it('wait when GitLab reads slowly: the runner is not drained into memory', async () => {
    let release: () => void = () => {};
    const gate = await between(
      createServer((req, res) => {
        req.pause();
        release = () => req.resume();
        req.on('end', () => res.writeHead(201).end());
      }),
    );
    let sent = 0;
    const status = await new Promise<number>((resolve, reject) => {
      const req = request(
        { port: gate.port, method: 'POST', path: '/api/v4/jobs/5/artifacts', headers: { 'job-token': 'x' } },
        (res) => {
          res.resume();
          res.on('end', () => resolve(res.statusCode ?? 0));
        },
      );
      req.on('error', reject);
      let last = -1;
      let looks = 0;
      const more = (): void => {
        while (sent < TOTAL / MIB) {
          sent++;
          if (!req.write(piece)) {
            req.once('drain', more);
            return;
          }
        }
        req.end();
      };
      more();
      const timer = setInterval(() => {
        if (sent === last && ++looks > 3) {
          clearInterval(timer);
          expect(sent).toBeLessThan(TOTAL / MIB / 4);
          release();
        }
        last = sent;
      }, 30);
    });
    expect([status, sent]).toEqual([201, TOTAL / MIB]);
  });

  it('that GitLab refuses half-way are answered with what GitLab said', async () => {
    const gate = await between(
      createServer((_req, res) => {
        res.writeHead(413, { 'Content-Type': 'application/json' }).end('{"message":"413 Request Entity Too Large"}');
      }),
    );
    const body = await new Promise<string>((resolve, reject) => {
      const req = request(
        { port: gate.port, method: 'POST', path: '/api/v4/jobs/5/artifacts', headers: { 'job-token': 'x' } },
        (res) => {
          let text = '';
          res.on('data', (part: Buffer) => {
            text += part;
          });
          res.on('end', () => {
            req.destroy();
            resolve(`${res.statusCode} ${text}`);
          });
        },
      );
      req.on('error', reject);
      for (let n = 0; n < 8; n++) req.write(piece);
    });
    expect(body).toBe('413 {"message":"413 Request Entity Too Large"}');
  });

  it('that break off on the way down do not look whole', async () => {
    const gate = await between(
      createServer((_req, res) => {
        res.writeHead(200, { 'Content-Length': 5 * MIB });
        res.write(piece, () => res.destroy());
      }),
    );
    const outcome = await new Promise<string>((resolve) => {
      request({ port: gate.port, path: '/api/v4/jobs/5/artifacts' }, (res) => {
        res.resume();
        res.on('end', () => resolve('whole'));
        res.on('error', () => resolve('broken off'));
      }).end();
    });
    expect(outcome).toBe('broken off');
  });
});
