import type { ConfigProblem } from './problems.ts';
import type { Setting } from './sources.ts';

/** How people sign in with OpenID Connect. */
export interface OidcConfig {
  /** As its tokens name it; an https address, on this machine http too. */
  readonly issuer: string;
  readonly clientId: string;
  /** Path of the file with the secret, null for a client without one; it is read again at each use. */
  readonly clientSecretFile: string | null;
  /** Words separated by blanks. */
  readonly scopes: string;
  /** What the button says. */
  readonly name: string;
  /** The claim that has the user's id in the GitLab whose jobs are held. */
  readonly userClaim: string;
  /** The claim that lists the groups that somebody is a direct member of. */
  readonly groupsClaim: string;
  readonly membership: 'directory' | 'claims';
  /** Ids of users who administer the hub when they sign in. */
  readonly admins: readonly number[];
  /** The issuer is that very GitLab: its user ids are known, its role claims are taken, and it gives tokens for its API. */
  readonly isGitlab: boolean;
}

/** Settings by key, as the loader has them. */
export interface OidcSettings {
  readonly settings: ReadonlyMap<string, Setting>;
  readonly text: (key: string) => string;
  readonly path: (key: string) => string;
}

const isLoopback = (url: URL): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);

/** Everything under `hub.oidc`, null when nothing of it is set; what is wrong goes to `problems`. */
export function oidcConfig({ settings, text, path }: OidcSettings, problems: ConfigProblem[]): OidcConfig | null {
  const given = [...settings.keys()].filter((key) => key.startsWith('hub.oidc.'));
  const first = given[0];
  if (first === undefined) return null;
  const refuse = (key: string, message: string): void => {
    problems.push({ where: settings.get(key)?.where ?? settings.get(first)?.where ?? '', path: key, message });
  };
  for (const key of ['hub.oidc.issuer', 'hub.oidc.client_id'])
    if (!settings.has(key))
      refuse(key, 'missing: without it nobody can sign in with OpenID Connect; set it, or take hub.oidc out');
  if (!settings.has('hub.oidc.issuer')) return null;

  // Kept as it is written: a provider's tokens name it to the last slash.
  const written = text('hub.oidc.issuer');
  const issuer = URL.canParse(written) ? new URL(written) : null;
  if (issuer === null || !/^https?:$/.test(issuer.protocol) || /[@?#]/.test(written)) {
    refuse('hub.oidc.issuer', 'wanted an address like https://gitlab.example.com');
    return null;
  }
  // Whoever is between would say who signs in (T17).
  if (issuer.protocol !== 'https:' && !isLoopback(issuer))
    refuse('hub.oidc.issuer', 'wanted an https:// address; http:// is taken on this machine only');
  const external = settings.has('hub.external_url') ? new URL(text('hub.external_url')) : null;
  if (external !== null && external.protocol !== 'https:' && !isLoopback(external))
    refuse('hub.external_url', 'wanted an https:// address: people come back to it with what signs them in');
  const isGitlab = issuer.href.replace(/\/+$/, '') === text('gitlab.url');
  const userClaim = settings.has('hub.oidc.user_claim') ? text('hub.oidc.user_claim') : null;
  // Two servers number their users alike: user 7 there is somebody else than user 7 here (T17).
  if (!isGitlab && userClaim === null) {
    refuse(
      'hub.oidc.user_claim',
      'missing: the issuer is not gitlab.url, so name the claim that has the user id of that GitLab ("sub" if it is the same GitLab under another address)',
    );
  }
  // Where membership can be asked of GitLab, a word from the last sign-in is worth nothing beside it (T19).
  if (text('hub.oidc.membership') === 'claims') {
    if (settings.has('hub.gitlab_members_token_file'))
      refuse(
        'hub.oidc.membership',
        'GitLab itself is asked who belongs to what (hub.gitlab_members_token_file): wanted directory',
      );
    if (!settings.has('principals'))
      refuse(
        'hub.oidc.membership',
        'claims count in groups that principals.yaml has: set principals, or wanted directory',
      );
  }
  const admins = settings.has('hub.oidc.admins') ? text('hub.oidc.admins').trim().split(/\s+/) : [];
  if (admins.some((id) => !/^[1-9]\d{0,14}$/.test(id)))
    refuse('hub.oidc.admins', 'wanted user ids with blanks between, like "7 21"; names are given away and taken again');
  return {
    issuer: written,
    clientId: text('hub.oidc.client_id'),
    clientSecretFile: settings.has('hub.oidc.client_secret_file') ? path('hub.oidc.client_secret_file') : null,
    scopes: text('hub.oidc.scopes'),
    name: settings.has('hub.oidc.name') ? text('hub.oidc.name') : isGitlab ? 'GitLab' : issuer.host,
    userClaim: userClaim ?? 'sub',
    groupsClaim: text('hub.oidc.groups_claim'),
    membership: text('hub.oidc.membership') as OidcConfig['membership'],
    admins: admins.map(Number),
    isGitlab,
  };
}
