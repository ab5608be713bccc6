import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDocker } from '../support/docker.ts';
import { jobImages } from '../support/docker-jobs.ts';
import { PROGRAM } from './agent-process.ts';
import { digits, duration, median, times } from './measure.ts';
import type { Section } from './report.ts';

const ROUNDS = 9;
const STREAM_ROUNDS = 3;
const BYTES = 64 * 2 ** 20;
const UID = 799_999;
const IMAGE = 'registry.test/jobs:1';
const MIB = 2 ** 20;
/** The executor takes no variable HOLDPOINT_… that it does not know. */
const HOST = { PATH: process.env.PATH ?? '', HOME: tmpdir() };
const cleanups: (() => void)[] = [];

/** A way to run a script: its command, and what it is told. */
interface Way {
  readonly command: string;
  readonly args: (script: string) => readonly string[];
  readonly env?: Record<string, string>;
}

/** Milliseconds until it has ended, all it printed read; throws where that is not what it should be. */
function run({ command, args, env }: Way, script: string, bytes: number): Promise<number> {
  const start = performance.now();
  const child = spawn(command, args(script), { env: { ...HOST, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [seen, told] = [0, ''];
  child.stdout.on('data', (chunk: Buffer) => (seen += chunk.length));
  child.stderr.on('data', (chunk: Buffer) => (told += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && seen === bytes) resolve(performance.now() - start);
      else reject(new Error(`${command} ended with ${code} after ${seen} of ${bytes} bytes: ${told.slice(-300)}`));
    });
  });
}

/** One prepared job of a driver: a way to run its stages. */
function job(folder: string, name: string, config: string, image: string | null): Way {
  const at = (file: string) => join(folder, `${name}-${file}`);
  writeFileSync(at('executor.yml'), config);
  const payload = {
    id: name.length,
    token: `glcbt-${name}`,
    job_info: { name: 'bench', project_id: 7, project_full_path: 'acme/bench' },
    runner_info: { timeout: 3600 },
    variables: [],
    image: image === null ? null : { name: image },
    services: [],
    credentials: [],
  };
  writeFileSync(at('response.json'), JSON.stringify(payload), { mode: 0o600 });
  const env = {
    JOB_RESPONSE_FILE: at('response.json'),
    BUILD_FAILURE_EXIT_CODE: '1',
    SYSTEM_FAILURE_EXIT_CODE: '2',
    HOLDPOINT_CONFIG: at('executor.yml'),
  };
  const call = (verb: string) => {
    const done = spawnSync(process.execPath, [PROGRAM, 'executor', verb], {
      env: { ...HOST, ...env },
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`executor ${verb} of ${name} ended with ${done.status}: ${done.stderr}`);
  };
  call('prepare');
  cleanups.push(() => call('cleanup'));
  return { command: process.execPath, args: (script) => [PROGRAM, 'executor', 'run', script, 'step_script'], env };
}

/** Median of each way, in turns. */
async function inTurns(
  ways: Readonly<Record<string, Way>>,
  script: string,
  bytes: number,
  rounds: number,
): Promise<Record<string, number>> {
  const seen: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const ms = await run(way, script, bytes);
      // The first is warm-up.
      if (round > 0) seen[name] = [...(seen[name] ?? []), ms];
    }
  }
  return Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, median(all)]));
}

/** What a stage costs, and how fast its output comes, in terminals and in containers. */
export async function benchExecutor(): Promise<Section> {
  if (process.getuid?.() !== 0) throw new Error('jobs as other users and an engine of its own take root');
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-bench-executor-'));
  chmodSync(folder, 0o711);
  const engine = await startDocker();
  try {
    await jobImages(engine);
    await engine.run('run', '--detach', '--name', 'alone', '--network', 'none', IMAGE, 'sleep', '3600');
    const common = 'receipts: off\n';
    const dummy = job(folder, 'dummy', `driver: dummy\n${common}work_dir: ${folder}/dummy\n`, null);
    const pty = job(
      folder,
      'pty',
      `driver: pty\n${common}work_dir: ${folder}/pty\npty:\n  users: ${UID}:${UID}\n`,
      null,
    );
    const docker = job(
      folder,
      'docker',
      `driver: docker\n${common}docker:\n  socket: ${engine.socket}\n  pull: never\n  network: internal\n`,
      IMAGE,
    );
    const ways: Readonly<Record<string, Way>> = {
      'sh alone': { command: 'sh', args: (script) => [script] },
      'driver dummy': dummy,
      'driver pty': pty,
      'docker exec alone': {
        command: 'sh',
        args: (script) => ['-c', `exec docker --host unix://${engine.socket} exec -i alone sh <${script}`],
      },
      'driver docker': docker,
    };
    const short = join(folder, 'short.sh');
    writeFileSync(short, 'echo\n');
    const long = join(folder, 'long.sh');
    writeFileSync(long, `head -c ${BYTES} /dev/zero\n`);
    const stage = await inTurns(ways, short, 1, ROUNDS);
    const stream = await inTurns(ways, long, BYTES, STREAM_ROUNDS);
    const rate = (name: string) => BYTES / MIB / ((stream[name]! - stage[name]!) / 1000);
    const base = (name: string) => (name.includes('docker') ? 'docker exec alone' : 'sh alone');
    const rows = Object.keys(ways).map((name) => [
      name,
      duration(stage[name]!),
      times(stage[name]! / stage[base(name)]!),
      `${digits(rate(name))} MiB/s`,
      times(rate(name) / rate(base(name))),
    ]);
    return {
      title: 'A stage of the executor',
      about: `Medians of ${ROUNDS} stages that print one byte, and of ${STREAM_ROUNDS} that print ${BYTES / MIB} MiB of zeros, in turns, with receipts off; each is a start of \`holdpoint executor run\` as gitlab-runner makes it. The rate is without the time of a stage. Compared with \`sh\` alone, those of containers with \`docker exec\` alone.`,
      tables: [{ caption: 'Cost and rate:', head: ['', 'a stage', '… of alone', 'output', '… of alone'], rows }],
      aims: [],
      notes: [],
    };
  } finally {
    for (const clean of cleanups) clean();
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
