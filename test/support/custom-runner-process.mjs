// A process that stands for gitlab-runner: what it starts are its children, in process groups of their own, and go on when it is killed.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline';

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
/** Descriptors that it leaves open to what it starts; no job may have them. */
const leaked = openSync(process.argv[1], 'r');
const stdio = Array.from({ length: 31 }, (_, fd) => (fd === 3 || fd === 30 ? leaked : 'ignore'));

createInterface({ input: process.stdin }).on('line', (line) => {
  const { call, command, args, env } = JSON.parse(line);
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe', ...stdio.slice(3)] });
  tell({ call, pid: child.pid });
  child.stdout.on('data', (chunk) => tell({ call, out: chunk.toString('base64') }));
  child.stderr.on('data', (chunk) => tell({ call, err: chunk.toString('base64') }));
  child.on('close', (code, signal) => tell({ call, code, signal }));
});
