import type { ExecutorLook } from '../executor-look.ts';
import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation } from '../observation.ts';
import { given } from '../words.ts';

function ofEngine({ engine, config, settings }: ExecutorLook): readonly Said[] {
  const socket = settings?.socket ?? null;
  if (engine === null || socket === null) return [];
  if (engine.outcome === 'closed')
    return [skipped(`docker.socket ${socket}: this user may not use it`, 'run "holdpoint doctor" as root')];
  if (engine.outcome === 'away')
    return [
      fail(
        `${config}: no container engine answers at docker.socket ${socket} (${engine.why}), so every job is refused`,
        'start the engine, or name the socket of the one that runs',
      ),
    ];
  if (engine.absent.length === 0) return [];
  const text = `${config}: ${engine.absent.join(' and ')} is not on this host`;
  return settings?.pull === 'never'
    ? [fail(`${text}, and docker.pull is never: jobs that need it are refused`, 'load it into the engine')]
    : [warn(`${text}: the first job waits until it is fetched`, 'fetch it now, with "docker pull"')];
}

function ofPty({ pty, config }: ExecutorLook): readonly Said[] {
  if (pty === null) return [];
  if (pty.outcome === 'closed')
    return [skipped(`${config}: whether jobs may be pty.users is seen by root`, 'run "holdpoint doctor" as root')];
  return [
    ...pty.refusals.map((words) => fail(`${config}: jobs are refused: ${words}`, `do as it says, or change ${config}`)),
    ...pty.trusted.map((user) =>
      warn(
        `${config}: pty.trust lets jobs run as ${user}: they can read the keys of the agent or end it`,
        'name users that are nobody else, and take pty.trust out',
      ),
    ),
  ];
}

function said(look: ExecutorLook, { settings: agent }: Observation): readonly Said[] {
  const { entry, config, settings, problems, gracefulKillS } = look;
  const where = `runner "${entry.name}" in ${entry.file}`;
  if (settings === null && problems.length === 0)
    return [skipped(`${where}: this user may not read ${config}`, 'run "holdpoint doctor" as root')];
  if (settings === null)
    return [
      fail(
        `${where}: ${problems.join('; ')}, so every job is refused`,
        `mend ${config}, which the user of gitlab-runner reads`,
      ),
    ];
  const out: Said[] = [];
  const { receiptSocket, runner, graceMs, driver } = settings;
  const served = agent.ok ? (agent.value.receipts?.socket ?? null) : null;
  if (receiptSocket === null)
    out.push(
      warn(`${config}: receipts are off, so a job that came past the gateway runs`, 'take "receipts: off" out of it'),
    );
  else if (served !== null && receiptSocket !== served)
    out.push(
      fail(
        `${config} asks at ${receiptSocket}, and the agent answers at ${served}: every job is refused`,
        `set receipt_socket: ${served}`,
      ),
    );
  if (runner !== null && entry.runner !== null && runner !== entry.runner)
    out.push(
      fail(
        `${config} is for runner "${runner}", and agent.yml calls this one "${entry.runner}": every job is refused`,
        `set runner: ${entry.runner}`,
      ),
    );
  if (gracefulKillS * 1_000 <= graceMs)
    out.push(
      fail(
        `${where}: graceful_kill_timeout = ${gracefulKillS} is not longer than grace of ${config} (${graceMs / 1_000} s): gitlab-runner kills the executor before it has ended a cancelled job`,
        `set graceful_kill_timeout = ${Math.ceil(graceMs / 1_000) + 20}`,
      ),
    );
  if (driver === 'dummy')
    out.push(warn(`${config}: driver dummy isolates nothing, it is for demos`, 'set driver: docker or pty'));
  const all = [...out, ...ofEngine(look), ...ofPty(look)];
  return all.length > 0 ? all : [ok(`${where}: ${config} fits agent and runner (driver ${driver})`)];
}

export const executorSettings: Check = {
  id: 'executor_settings',
  title: 'Executor’s own file',
  means:
    'What "holdpoint executor" needs stands in executor.yml, config.toml, and the container engine or the users of this host. Where they do not fit each other it refuses every job, or is killed before it has ended one.',
  agent: true,
  notOfHub: 'jobs run on the hosts of agents',
  look: (look) =>
    given(look.executors, (executors) =>
      answer(
        executors.flatMap((one) => said(one, look)),
        () => ok('no runner of this host uses "holdpoint executor"'),
      ),
    ),
};
