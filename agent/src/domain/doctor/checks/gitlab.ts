import { type Answer, fail, ok, warn } from '../finding.ts';
import type { Check, GitlabLook, TlsFault } from '../observation.ts';
import { given, shownUrl } from '../words.ts';

const TLS_MEND: Readonly<Record<TlsFault, string>> = {
  unknown_ca: "put the certificate of GitLab's authority (PEM) into a file and name it with gitlab.ca",
  name: 'set gitlab.url to a name that stands in the certificate, or have one made for this name',
  expired: "renew GitLab's certificate; if it is good elsewhere, look at this host's clock",
  not_yet: "look at this host's clock: by it, the certificate is not valid yet",
  other: 'look at both ends: "openssl s_client -connect HOST:443" on this host says more',
};
const TLS_WORDS: Readonly<Record<TlsFault, string>> = {
  unknown_ca: 'its certificate is signed by an authority that this host does not know',
  name: 'its certificate is for another name',
  expired: 'its certificate has expired',
  not_yet: 'its certificate is not valid yet',
  other: 'no TLS connection came about',
};

function answered(url: string, look: Extract<GitlabLook, { outcome: 'answered' }>): Answer {
  if (look.redirect !== null) {
    return [
      fail(
        `${url} sends elsewhere, to ${look.redirect}: a runner that followed would hand its token to GitLab directly, so the gateway answers 502`,
        'set gitlab.url to the address that GitLab itself has',
      ),
    ];
  }
  if (!look.isApi || look.status >= 500) {
    return [
      fail(
        `${url} answered ${look.status}, not as GitLab's API does`,
        'set gitlab.url to the address of GitLab (with its path, if it has one); see whether GitLab is well',
      ),
    ];
  }
  if (look.token === 'refused') {
    return [
      warn(
        `${url} is reached, and does not take the token of gitlab.token_file`,
        'make a new one (scope read_api) and put it into the file; it is read at each use',
      ),
    ];
  }
  const version =
    look.version === null ? '; its version is told only to a token (gitlab.token_file)' : `, version ${look.version}`;
  return [ok(`${url} is reached${version}`)];
}

export const gitlab: Check = {
  id: 'gitlab',
  title: 'GitLab',
  means:
    'Everything that the runner says goes on to GitLab, and the hub asks it who people are and what became of jobs. A certificate of an unknown authority, for another name or out of date are told apart, since each has its own mend; so is an address that only redirects.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.gitlab, (found): Answer => {
      const url = look.settings.ok ? shownUrl(look.settings.value.gitlabUrl) : 'GitLab';
      switch (found.outcome) {
        case 'answered':
          return answered(url, found);
        case 'tls':
          return [fail(`${url}: ${TLS_WORDS[found.fault]} (${found.detail})`, TLS_MEND[found.fault])];
        case 'away':
          return [
            fail(
              `${url} cannot be reached (${found.code})`,
              'look at gitlab.url, name resolution, firewall and proxy of this host; nothing is lost meanwhile, jobs wait in GitLab',
            ),
          ];
        default:
          return found satisfies never;
      }
    }),
};
