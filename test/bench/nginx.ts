import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, family, start } from './processes.ts';

export interface Nginx {
  readonly port: number;
  /** Master and workers. */
  pids(): number[];
}

/**
 * `plain`: a reverse proxy with what is needed to keep connections open, everything else as it comes. `tuned`: streams
 * instead of buffering, with larger buffers.
 */
export type NginxKind = 'plain' | 'tuned';

const TUNING = `
      proxy_buffering on; proxy_buffer_size 64k; proxy_buffers 16 512k; proxy_busy_buffers_size 1m; proxy_max_temp_file_size 0;
      proxy_request_buffering off; client_body_buffer_size 1m;`;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Starts nginx before this upstream; null where there is none on this machine. */
export async function startNginx(upstreamPort: number, kind: NginxKind = 'plain'): Promise<Nginx | null> {
  const program = process.env.NGINX_PATH ?? '';
  if (program === '') return null;
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-nginx-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};\n`)
    .join('');
  const text = `worker_processes auto;
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  client_max_body_size 0;
  keepalive_requests 1000000000;
${temporary}  upstream gitlab { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://gitlab;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 120s;${kind === 'tuned' ? TUNING : ''}
    }
  }
}
`;
  writeFileSync(join(folder, 'nginx.conf'), text);
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
  const child = start(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), ...user], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const deadline = Date.now() + 10_000;
  while (!(await answers(port))) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('nginx does not listen');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, pids: () => family(child.pid!) };
}
