#!/usr/bin/env node
import { COMMANDS } from './cli/commands.ts';
import type { Io } from './cli/io.ts';
import type { Parts } from './cli/parts.ts';
import { runCommandLine } from './cli/program.ts';
import type { HubConfig } from './config/load.ts';
import { VERSION } from './version.ts';

/** Width of a terminal that does not say. */
const COLUMNS = 80;

function processIo(stop: () => AbortSignal): Io {
  const { stdout, stderr, env } = process;
  return {
    out: (text) =>
      new Promise((resolve) => {
        if (stdout.write(text)) resolve();
        else stdout.once('drain', resolve);
      }),
    err: (text) => void stderr.write(text),
    ask: process.stdin.isTTY === true && stdout.isTTY === true ? askTerminal : null,
    env,
    cwd: process.cwd(),
    colour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    columns: stdout.isTTY === true ? stdout.columns : COLUMNS,
    now: () => Date.now(),
    get stop() {
      return stop();
    },
  };
}

/** Log, clock and passed sockets of a process that stays; what is allowed but unwise is said first. */
async function startOptions(config: HubConfig) {
  const [{ createLog }, { createClock }, { passedSockets }, { processMetrics }, { Registry }] = await Promise.all([
    import('./system/log.ts'),
    import('./system/clock.ts'),
    import('./system/passed-sockets.ts'),
    import('./system/process-metrics.ts'),
    import('prom-client'),
  ]);
  const sockets = passedSockets(process.env, process.pid);
  const registry = new Registry();
  processMetrics(registry, VERSION);
  const log = createLog(config.log);
  for (const warning of config.warnings) log.warn({}, warning);
  return { log, clock: createClock(), registry, sockets };
}

/** One line of the terminal; what ends the input ends the question, with an empty answer. */
async function askTerminal(question: string): Promise<string> {
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  return new Promise((resolve) => {
    lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    lines.on('close', () => resolve(''));
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}

/** The parts that only some commands need; each is loaded when it is asked for, so that the others start quickly. */
function processParts(): Parts {
  const parts: Parts = {
    version: VERSION,
    startAgent: async (config) => {
      const [{ startAgent }, options] = await Promise.all([import('./wiring.ts'), startOptions(config)]);
      return startAgent(config, options);
    },
    startHub: async (config) => {
      const [{ startHub }, options] = await Promise.all([import('./wiring-hub.ts'), startOptions(config)]);
      return startHub(config, options);
    },
    copyStore: async (from, to) => {
      const [{ copyStore }, { placeOf }] = await Promise.all([
        import('./stores/places.ts'),
        import('./store-place.ts'),
      ]);
      return copyStore(placeOf(from), placeOf(to));
    },
    payloads: async () => {
      const [{ readPayload }, { jwksVerifier }] = await Promise.all([
        import('./runners/gitlab/configuration.ts'),
        import('./runners/gitlab/id-tokens.ts'),
      ]);
      return { readPayload, jwksVerifier };
    },
    clones: async () => import('./system/git/clone.ts'),
    receipts: async (options) => (await import('./system/receipt-client.ts')).createReceiptClient(options),
    care: async () => ({ ...(await import('./care.ts')), ...(await import('./care-keys.ts')) }),
    ciYaml: async () => (await import('./runners/gitlab/yaml/yaml-parts.ts')).yamlParts,
    policies: async () => (await import('./directories/policy-parts.ts')).policyParts,
    notifier: async () => {
      const [{ openNotifier }, { createClock }] = await Promise.all([
        import('./system/notify.ts'),
        import('./system/clock.ts'),
      ]);
      const warn = (message: string) => void process.stderr.write(`holdpoint: ${message}\n`);
      return openNotifier(process.env, process.pid, createClock(), warn);
    },
    run: async (argv) => {
      if (!COMMANDS.some(({ name }) => name === argv[0])) return null;
      let [out, err] = ['', ''];
      const io: Io = {
        ...processIo(() => new AbortController().signal),
        out: async (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
        colour: false,
      };
      const exit = await runCommandLine(argv, io, processParts());
      return { exit, out, err };
    },
    executor: async (config, env) => {
      const { openExecutor, processOutput } = await import('./wiring-executor.ts');
      return openExecutor(config, { env, output: processOutput(), parent: process.ppid, version: VERSION });
    },
    setup: async () => (await import('./setup.ts')).setupParts,
    doctor: async (request) => {
      const [{ observe }, { examine }] = await Promise.all([
        import('./doctor.ts'),
        import('./domain/doctor/examine.ts'),
      ]);
      return examine(await observe({ ...request, of: { sources: request.sources }, parts }));
    },
    runDemo: async (options) => (await import('./demo.ts')).runDemo(options),
  };
  return parts;
}

/** Whatever was not caught: told in one line, since a stack helps nobody who runs this; the process cannot go on. */
async function dieOf(error: unknown): Promise<never> {
  const { failureOf } = await import('./cli/failure.ts');
  const failure = failureOf(error, process.argv.includes('--json'));
  process.stderr.write(failure.text);
  process.exit(failure.exit);
}

async function main(): Promise<void> {
  const stop = new AbortController();
  process.on('uncaughtException', (error) => void dieOf(error));
  process.on('unhandledRejection', (error) => void dieOf(error));
  // `holdpoint holds list | head`: whoever read has had enough, which is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    error.code === 'EPIPE' ? process.exit(0) : dieOf(error),
  );
  process.stderr.on('error', () => {});
  let awaited = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A command that watches for its end brings itself to it; any other, and whoever presses twice, ends at once.
      if (awaited && !stop.signal.aborted) return stop.abort();
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  }
  const io = processIo(() => {
    awaited = true;
    return stop.signal;
  });
  process.exitCode = await runCommandLine(process.argv.slice(2), io, processParts());
}

void main();
