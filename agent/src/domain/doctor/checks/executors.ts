import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { entriesOf, entryText, given, isGuarded } from '../words.ts';

/** Host paths whose sight from a container is as good as being root, or the agent. */
function dangerous(volume: string, stateDir: string | null): boolean {
  const source = volume.split(':')[0] ?? '';
  if (!source.startsWith('/') || !volume.includes(':')) return false;
  if (/\/docker\.sock$/.test(source) || /\/(containerd|podman)\.sock$/.test(source)) return true;
  const holds = (path: string) =>
    path === source || path.startsWith(source === '/' ? '/' : `${source.replace(/\/+$/, '')}/`);
  return [stateDir, '/etc/holdpoint', '/etc/gitlab-runner'].some((path) => path !== null && holds(path));
}

function said(entry: RunnerEntryLook, look: Observation): Said[] {
  const out: Said[] = [];
  const where = entryText(entry);
  if (entry.executor === 'shell') {
    const asRoot = look.processes.seen
      ? look.processes.value.runners.filter(
          (one) => one.config === entry.file && one.uid === 0 && (one.jobUser ?? 'root') === 'root',
        )
      : [];
    if (asRoot.length > 0)
      out.push(
        fail(
          `${where}: gitlab-runner runs as root and without --user, so every job is root`,
          'start it with --user gitlab-runner',
        ),
      );
    out.push(
      warn(
        `${where}: jobs of the shell executor share a user and a work tree: what one leaves behind, the next finds`,
        'use disposable environments (docker), or a runner for each class of refs',
      ),
    );
  }
  if (entry.executor.startsWith('docker')) {
    if (entry.docker.privileged)
      out.push(
        fail(
          `${where}: privileged containers are root on this host`,
          'set privileged = false; build images without it (buildah, kaniko, rootless)',
        ),
      );
    const stateDir = look.settings.ok ? look.settings.value.stateDir : null;
    for (const volume of entry.docker.volumes.filter((each) => dangerous(each, stateDir)))
      out.push(
        fail(
          `${where}: its containers see ${volume.split(':')[0]} of this host, which makes a job root or the agent`,
          `take "${volume}" out of volumes`,
        ),
      );
  }
  if (!isGuarded(entry, look))
    out.push(
      warn(
        `${where} is not gated, and runs beside the agent: any job on it can attack the agent's host`,
        'run it on another host, or in a virtual machine',
      ),
    );
  return out;
}

export const executors: Check = {
  id: 'executors',
  title: 'Executors',
  means:
    'A job that is root on this host, or sees its docker socket or the files of the agent, can replace the gate. A shell executor keeps its work tree between jobs; a runner that is not gated runs anything beside the agent.',
  agent: true,
  notOfHub: 'jobs run on the hosts of agents',
  look: (look) =>
    given(look.runnerFiles, () =>
      answer(
        entriesOf(look).flatMap((entry) => said(entry, look)),
        () =>
          entriesOf(look).length === 0
            ? skipped(
                'no [[runners]] entry could be read',
                'name the file with --runner-config, and run doctor as root',
              )
            : ok('no executor gives jobs the host'),
      ),
    ),
};
