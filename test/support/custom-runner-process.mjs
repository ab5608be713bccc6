// A process that stands for gitlab-runner: what it starts are its children, in process groups of their own, and go on when it is killed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

createInterface({ input: process.stdin }).on('line', (line) => {
  const { call, command, args, env } = JSON.parse(line);
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  tell({ call, pid: child.pid });
  child.stdout.on('data', (chunk) => tell({ call, out: chunk.toString('base64') }));
  child.stderr.on('data', (chunk) => tell({ call, err: chunk.toString('base64') }));
  child.on('close', (code, signal) => tell({ call, code, signal }));
});
