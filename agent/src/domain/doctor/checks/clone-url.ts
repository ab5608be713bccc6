import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { entriesOf, entryText, given, placeOf, sameServer, shownUrl } from '../words.ts';

function said(entry: RunnerEntryLook, look: Observation): Said[] {
  if (!look.settings.ok) return [];
  const { gitlabUrl } = look.settings.value;
  if (sameServer(entry.url, gitlabUrl)) return [];
  const out: Said[] = [];
  const set = `set clone_url = "${shownUrl(gitlabUrl)}" for it`;
  if (entry.cloneUrl === null) {
    out.push(
      warn(
        `${entryText(entry)} has no clone_url: git asks GitLab's own address, but credentials of submodules are written for the gateway's`,
        set,
      ),
    );
  } else if (sameServer(entry.cloneUrl, entry.url)) {
    out.push(fail(`${entryText(entry)}: clone_url is the gateway, which serves no git: every clone fails`, set));
  } else if (!sameServer(entry.cloneUrl, gitlabUrl)) {
    out.push(
      warn(
        `${entryText(entry)}: clone_url is ${shownUrl(entry.cloneUrl)}, and gitlab.url is ${shownUrl(gitlabUrl)}`,
        `if both are one GitLab, all is well; else ${set}`,
      ),
    );
  }
  if (placeOf(entry.url)?.scheme === 'https') {
    const both =
      'give it a tls-ca-file with the authorities of both, the gateway and GitLab: the whole file is passed to git';
    if (entry.tlsCa === null) {
      out.push(
        warn(
          `${entryText(entry)} asks the gateway over TLS: git in its jobs trusts only the authority of that connection, so clones from GitLab fail if GitLab's is another`,
          both,
        ),
      );
    } else if (entry.tlsCa.vouches === false) {
      out.push(
        fail(`${entryText(entry)}: ${entry.tlsCa.path} does not vouch for GitLab: clones in its jobs fail`, both),
      );
    }
  }
  return out.length > 0 ? out : [ok(`${entryText(entry)} clones from GitLab itself`)];
}

export const cloneUrl: Check = {
  id: 'clone_url',
  title: 'Clones',
  means:
    "The gateway serves no git. Without clone_url, submodules get their credentials for the wrong address; and where the gateway is asked over TLS, git in the job trusts the gateway's authority instead of GitLab's.",
  agent: true,
  notOfHub: 'runners ask the gateways of agents, on their hosts',
  look: (look) =>
    given(look.runnerFiles, () =>
      answer(
        entriesOf(look).flatMap((entry) => said(entry, look)),
        () => skipped('no runner asks the gateway'),
      ),
    ),
};
