import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { entriesOf, entryText, given, isLoopback, placeOf, sameServer } from '../words.ts';

/** Executors whose jobs share the network of the runner. */
const HERE = ['shell'];
/** Executors whose jobs run in containers of this host. */
const CONTAINERS = ['docker', 'docker-windows'];
/** Executors whose jobs run on other machines. */
const ELSEWHERE = ['kubernetes', 'docker+machine', 'docker-autoscaler', 'instance', 'ssh', 'virtualbox', 'parallels'];

function containers(entry: RunnerEntryLook, host: string, look: Observation): Said {
  const { network, extraHosts } = entry.docker;
  const gateway = look.settings.ok ? look.settings.value.gateway : null;
  const way =
    'let gateway.listen be the address of the docker bridge (172.17.0.1:8093), add extra_hosts = ["holdpoint:host-gateway"] under [runners.docker], set url = "http://holdpoint:8093"; or network_mode = "host"';
  if (network === 'host') return ok(`${entryText(entry)}: its containers share the network of the host`);
  if (isLoopback(host)) {
    return fail(
      `${entryText(entry)}: its containers are told ${host}, which is the container itself: artifacts and caches fail`,
      way,
    );
  }
  if (gateway !== null && isLoopback(gateway.host)) {
    const named = extraHosts.some((each) => each.toLowerCase().startsWith(`${host}:`));
    return named || host === 'host.docker.internal'
      ? fail(
          `${entryText(entry)}: its containers reach this host as ${host}, but the gateway listens on ${gateway.host} alone`,
          way,
        )
      : warn(
          `${entryText(entry)}: its containers ask ${host}, and the gateway listens on ${gateway.host} alone`,
          `if a proxy stands before it, all is well; else ${way}`,
        );
  }
  return ok(`${entryText(entry)}: its containers ask ${host}`);
}

function said(entry: RunnerEntryLook, look: Observation): Said[] {
  const place = placeOf(entry.url);
  if (place === null || (look.settings.ok && sameServer(entry.url, look.settings.value.gitlabUrl))) return [];
  if (HERE.includes(entry.executor)) return [ok(`${entryText(entry)}: its jobs run on this host`)];
  if (CONTAINERS.includes(entry.executor)) return [containers(entry, place.host, look)];
  if (!ELSEWHERE.includes(entry.executor))
    return [
      skipped(
        `${entryText(entry)}: where jobs of executor "${entry.executor}" run is not known`,
        `see that they reach ${place.host}:${place.port}`,
      ),
    ];
  return isLoopback(place.host)
    ? [
        fail(
          `${entryText(entry)}: jobs of executor "${entry.executor}" run elsewhere, and are told ${place.host}: artifacts and caches fail`,
          'let the gateway be reached from there, over TLS (a proxy before it), and set url to that address',
        ),
      ]
    : [ok(`${entryText(entry)}: its jobs ask ${place.host}`)];
}

export const jobNetwork: Check = {
  id: 'job_network',
  title: 'Network of jobs',
  means:
    'Artifacts and logs of artifacts are sent from inside the job to the url of config.toml. In a container 127.0.0.1 is the container itself, on another machine it is that machine.',
  agent: true,
  notOfHub: 'jobs run on the hosts of agents',
  look: (look) =>
    given(look.runnerFiles, () =>
      answer(
        entriesOf(look).flatMap((entry) => said(entry, look)),
        () => skipped('no runner asks the gateway'),
      ),
    ),
};
