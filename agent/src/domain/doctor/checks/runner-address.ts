import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { entriesOf, entryText, given, isEverywhere, isGuarded, isLoopback, placeOf, shownUrl } from '../words.ts';

/** Whether an address can be the gateway's, as far as this host knows. */
function leadsHere(entry: RunnerEntryLook, look: Observation): 'yes' | 'no' | 'maybe' {
  if (!look.settings.ok) return 'maybe';
  const { gateway, gitlabUrl } = look.settings.value;
  const place = placeOf(entry.url);
  if (place === null || gateway === null) return 'no';
  const gitlab = placeOf(gitlabUrl);
  if (gitlab !== null && gitlab.host === place.host && gitlab.port === place.port) return 'no';
  const sameHost =
    place.host === gateway.host.toLowerCase() ||
    (isLoopback(place.host) && (isLoopback(gateway.host) || isEverywhere(gateway.host)));
  if (place.port === gateway.port && sameHost) return 'yes';
  // A name for this host, or a proxy with TLS before the gateway: what stands behind it is not known from here.
  return isLoopback(place.host) ? 'no' : 'maybe';
}

function said(entry: RunnerEntryLook, look: Observation): Said {
  const gateway = look.settings.ok ? look.settings.value.gateway : null;
  const where = gateway === null ? '' : `http://${gateway.host}:${gateway.port}`;
  const mend = `set url = "${where}" for it ("holdpoint init" shows the change and makes it), or list it in agent.yml with protected: false`;
  const url = shownUrl(entry.url ?? 'no address');
  switch (leadsHere(entry, look)) {
    case 'yes':
      return ok(`${entryText(entry)} asks the gateway`);
    case 'maybe':
      return warn(
        `${entryText(entry)} asks ${url}: whether that leads to the gateway is not seen from here`,
        `if it is a proxy before the gateway or a name of this host, all is well; else ${mend}`,
      );
    case 'no':
      return isGuarded(entry, look)
        ? fail(`${entryText(entry)} asks ${url}, past the gateway: its jobs run unapproved`, mend)
        : ok(`${entryText(entry)} asks ${url}; it is not gated`);
  }
}

export const runnerAddress: Check = {
  id: 'runner_address',
  title: 'Address of the runners',
  means:
    'A runner whose config.toml names GitLab itself as its url takes jobs past the gate. Each [[runners]] entry is looked at; one whose token agent.yml does not know counts as protected.',
  agent: true,
  notOfHub: 'runners ask the gateways of agents, on their hosts',
  look: (look) =>
    given(look.runnerFiles, (files) => {
      const broken = files.filter(({ problem }) => problem !== null);
      const found = [
        ...broken.map(({ path, problem }) => skipped(`${path}: ${problem}`, 'run doctor as root')),
        ...entriesOf(look).map((entry) => said(entry, look)),
      ];
      return answer(found, () =>
        files.length === 0
          ? skipped('no config.toml of gitlab-runner was found', 'name it with --runner-config FILE')
          : warn(
              `${files.map(({ path }) => path).join(', ')} has no [[runners]]: nothing is guarded here`,
              'register a runner, then run "holdpoint init"',
            ),
      );
    }),
};
