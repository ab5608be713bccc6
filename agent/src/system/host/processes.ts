import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  type ProcessesLook,
  type RunnerProcessLook,
  type Seen,
  seen,
  unseen,
} from '../../domain/doctor/observation.ts';

/** One process as /proc shows it. */
interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly argv: readonly string[];
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Ended meanwhile, or not ours to see: either way there is nothing to say of it.
    return null;
  }
}

function linkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function processOf(proc: string, pid: number): Process | null {
  const status = readOrNull(join(proc, String(pid), 'status'));
  const command = readOrNull(join(proc, String(pid), 'cmdline'));
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status ?? '')?.[1];
  const parent = /^PPid:\s+(\d+)/m.exec(status ?? '')?.[1];
  if (uid === undefined || command === null) return null;
  return {
    pid,
    uid: Number(uid),
    parent: Number(parent ?? 0),
    argv: command.split('\0').filter((word) => word !== ''),
  };
}

/** The value of a flag in any of the ways in which people write it. */
function flag(argv: readonly string[], ...names: readonly string[]): string | null {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    for (const name of names) {
      if (word === name) return argv[i + 1] ?? null;
      if (name.startsWith('--') && word.startsWith(`${name}=`)) return word.slice(name.length + 1);
    }
  }
  return null;
}

const isOn = (value: string | undefined): boolean => /^(1|t|true|yes|on)$/i.test(value ?? '');

function runnerOf(
  proc: string,
  { pid, uid, argv }: Process,
  homes: Readonly<Record<number, string>>,
): RunnerProcessLook | null {
  if (!/^gitlab-(?:ci-multi-)?runner(?:-[\w.]+)?$/.test(basename(argv[0] ?? ''))) return null;
  const command = argv.slice(1).find((word) => word === 'run' || word === 'run-single' || word === 'run-wrapper');
  if (command === undefined) return null;
  const environ = readOrNull(join(proc, String(pid), 'environ'));
  const env = new Map(
    (environ ?? '').split('\0').map((line): [string, string] => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const home = homes[uid] ?? '/root';
  const usual = uid === 0 ? '/etc/gitlab-runner/config.toml' : join(home, '.gitlab-runner/config.toml');
  const named = flag(argv, '--config', '-c') ?? env.get('CONFIG_FILE') ?? usual;
  const folder = linkOrNull(join(proc, String(pid), 'cwd')) ?? '/';
  // In a container of this host the same path is another file; seen from here it lies below the root of that process.
  const root = linkOrNull(join(proc, String(pid), 'root'));
  const path = resolve(folder, named);
  const single = command === 'run-single';
  return {
    pid,
    uid,
    config: root === null || root === '/' ? path : join(proc, String(pid), 'root', path),
    url: (single ? flag(argv, '--url', '-u') : flag(argv, '--url')) ?? env.get('CI_SERVER_URL') ?? null,
    jobUser: single ? null : flag(argv, '--user', '-u'),
    usesRouter: environ === null ? null : isOn(env.get('FF_USE_JOB_ROUTER')),
  };
}

/** A process of this program, told by how it is started: people and tests start it in several ways. */
function isOurs(argv: readonly string[]): boolean {
  return argv.slice(0, 3).some((word) => /(^|\/)holdpoint$|agent\/src\/main\.[jt]s$/.test(word));
}

/** The runners that run, and who else runs as the agent's user; `except` and whoever started it are not counted. */
export function lookAtProcesses(options: {
  readonly proc: string;
  readonly agentUid: number | null;
  readonly except: number;
  readonly homes: Readonly<Record<number, string>>;
}): Seen<ProcessesLook> {
  const { proc, agentUid, except, homes } = options;
  let names: readonly string[];
  try {
    names = readdirSync(proc);
  } catch {
    return unseen('this system shows no processes (/proc)', null);
  }
  if (!existsSync(join(proc, '1')))
    return unseen('processes of other users are hidden from this one', 'run "holdpoint doctor" as root');
  const all = names.filter((name) => /^\d+$/.test(name)).flatMap((name) => processOf(proc, Number(name)) ?? []);
  const byPid = new Map(all.map((process) => [process.pid, process]));
  const ours = new Set<number>();
  for (let at = byPid.get(except); at !== undefined && !ours.has(at.pid); at = byPid.get(at.parent)) ours.add(at.pid);
  return seen({
    runners: all.flatMap((process) => runnerOf(proc, process, homes) ?? []),
    sameUser: all
      .filter(
        ({ pid, uid, parent, argv }) =>
          uid === agentUid && !ours.has(pid) && parent !== except && argv.length > 0 && !isOurs(argv),
      )
      .map(({ pid, argv }) => ({ pid, name: basename(argv[0]!) })),
  });
}
