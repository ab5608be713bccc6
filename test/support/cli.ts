import * as care from '../../agent/src/care.ts';
import * as careKeys from '../../agent/src/care-keys.ts';
import type { Io } from '../../agent/src/cli/io.ts';
import type { Parts } from '../../agent/src/cli/parts.ts';
import { runCommandLine } from '../../agent/src/cli/program.ts';
import { policyParts } from '../../agent/src/directories/policy-parts.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { yamlParts } from '../../agent/src/runners/gitlab/yaml/yaml-parts.ts';
import { setupParts } from '../../agent/src/setup.ts';

/** What a command line did: exit code and everything it wrote. */
export interface CliRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** What a test may decide of the process around a command. */
export interface CliWorld {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly colour?: boolean;
  readonly now?: number;
  readonly parts?: Partial<Parts>;
  readonly stop?: AbortSignal;
  /** Whoever sits at the terminal; nobody does otherwise. */
  readonly ask?: (question: string) => Promise<string>;
  /** Called with each piece of standard output. */
  readonly onOut?: (text: string) => void;
}

const refuse = (): never => {
  throw new Error('this test has no such part');
};

/** Runs a command line in this process, as main.ts would, on a terminal of 80 columns at 10:00 of 2026-11-22. */
export async function runCli(argv: readonly string[], world: CliWorld = {}): Promise<CliRun> {
  let out = '';
  let err = '';
  const io: Io = {
    out: async (text) => {
      out += text;
      world.onOut?.(text);
    },
    err: (text) => {
      err += text;
    },
    ask: world.ask ?? null,
    env: world.env ?? {},
    cwd: world.cwd ?? '/',
    colour: world.colour ?? false,
    columns: 80,
    now: () => world.now ?? Date.parse('2026-11-22T10:00:00Z'),
    stop: world.stop ?? new AbortController().signal,
  };
  const parts: Parts = {
    version: '1.2.3',
    startAgent: refuse,
    executor: refuse,
    startHub: refuse,
    receipts: refuse,
    copyStore: refuse,
    clones: () => import('../../agent/src/system/git/clone.ts'),
    payloads: async () => ({ readPayload, jwksVerifier }),
    care: async () => ({ ...care, ...careKeys }),
    ciYaml: async () => yamlParts,
    policies: async () => policyParts,
    doctor: refuse,
    setup: async () => setupParts,
    notifier: refuse,
    run: async () => null,
    runDemo: refuse,
    ...world.parts,
  };
  const exit = await runCommandLine(argv, io, parts);
  return { exit, out, err };
}
