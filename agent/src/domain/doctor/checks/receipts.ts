import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { EXECUTOR_CALLS, entriesOf, entryText, given, isGuarded, octal } from '../words.ts';

/** Whether what gitlab-runner calls before a job is a program of ours: what a script of somebody's does cannot be seen from here. */
const isOurs = (program: string | null) => program !== null && /(^|\/)holdpoint$/.test(program);

const isExecutor = ({ custom }: RunnerEntryLook) => custom.calls.prepare?.[1] === 'executor';

/** Whether each call of the custom executor is the verb of ours: another one would be no failure to gitlab-runner, or too late. */
function ofCalls(entry: RunnerEntryLook): readonly Said[] {
  const where = entryText(entry);
  const { calls } = entry.custom;
  const mend = 'write the section [runners.custom] as the page of the executor has it';
  const wrong = EXECUTOR_CALLS.flatMap((call) => {
    const [program, ...args] = calls[call] ?? [];
    if (program === undefined) return [`${call}_exec is not set`];
    const line = [program, ...args].join(' ');
    return isOurs(program) && args[0] === 'executor' && args[1] === call ? [] : [`${call} calls "${line}"`];
  });
  if (wrong.length === 0) return [ok(`${where}: its executor asks for the receipt of each job`)];
  return [fail(`${where}: ${wrong.join(', ')}: wanted "holdpoint executor" with the verb of each call`, mend)];
}

function ofEntry(entry: RunnerEntryLook, served: boolean): readonly Said[] {
  const where = entryText(entry);
  const { prepare, run } = entry.custom;
  if (entry.executor !== 'custom')
    return [
      served
        ? warn(
            `${where}: executor "${entry.executor}" asks for no receipt, so a job that came past the gateway would run`,
            'let it be executor = "custom" with "holdpoint executor"; a hook with "holdpoint receipt check" is a tripwire',
          )
        : ok(`${where}: runs what the gateway gives it, and asks for no receipt`),
    ];
  if (!served)
    return [
      warn(
        `${where}: the custom executor has nobody to ask for receipts`,
        'set receipts.socket in agent.yml, and name the user of gitlab-runner under receipts.users',
      ),
    ];
  if (isOurs(prepare) && isOurs(run) && isExecutor(entry)) return ofCalls(entry);
  if (isOurs(prepare) && isOurs(run)) return [ok(`${where}: its executor asks for the receipt of each job`)];
  const odd = isOurs(prepare) ? `run_exec (${run ?? 'none'})` : `prepare_exec (${prepare ?? 'none'})`;
  return [
    warn(
      `${where}: ${odd} is not holdpoint: whether it asks for receipts cannot be seen from here`,
      'let prepare_exec and run_exec be holdpoint, or see to it that the script ends unless "holdpoint receipt check" ends with 0',
    ),
  ];
}

function ofSocket(look: Observation): readonly Said[] {
  const receipts = look.settings.ok ? look.settings.value.receipts : null;
  if (receipts === null) return [];
  const { socket, found } = receipts;
  if (found === null)
    return [fail(`nothing is at receipts.socket ${socket}`, 'start the agent; its log says why it did not')];
  if (!found.isSocket) return [fail(`${socket} is no socket`, 'take it away, and start the agent anew')];
  return found.openFolder === null
    ? []
    : [
        fail(
          `${socket} lies in ${found.openFolder.path} with mode ${octal(found.openFolder.mode)}: others can put a socket of theirs in its place, which has a receipt for everything`,
          `let root or the agent own that folder, and chmod go-w ${found.openFolder.path}`,
        ),
      ];
}

export const receipts: Check = {
  id: 'receipts',
  title: 'Receipts',
  means:
    'A runner with the real token and GitLab’s own address never asks the gateway. An executor that asks the agent for a receipt runs nothing of it; one that does not is only as good as what config.toml says.',
  agent: true,
  notOfHub: 'receipts are written by agents, on their hosts',
  look(observation) {
    const served = observation.settings.ok && observation.settings.value.receipts !== null;
    return given(observation.runnerFiles, () => {
      const entries = entriesOf(observation).filter((entry) => isGuarded(entry, observation));
      return answer([...ofSocket(observation), ...entries.flatMap((entry) => ofEntry(entry, served))], () =>
        skipped('no runner of this host is known', 'name its file with --runner-config'),
      );
    });
  },
};
