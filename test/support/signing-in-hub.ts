import { type OpenidOptions, openidProvider } from '../../agent/src/directories/openid-provider.ts';
import { type BrowserClient, browserClient } from './browser-client.ts';
import { startHub, type TestHub } from './hub-server.ts';
import { hubLog } from './hub-world.ts';
import { CLIENT } from './identity-provider.ts';
import { turnableClock } from './turnable-clock.ts';

/** A hub whose people sign in at an issuer, and a browser that has its page open. */
export interface SigningInHub extends TestHub {
  readonly page: BrowserClient;
  readonly clock: ReturnType<typeof turnableClock>;
  readonly callback: string;
}

/** Starts a hub that takes the word of this issuer; the clock runs with the real one, as the issuer's does. */
export async function startSigningInHub(
  issuer: string,
  more: Partial<OpenidOptions> & {
    readonly admins?: readonly number[];
    readonly hub?: Parameters<typeof startHub>[0];
  } = {},
): Promise<SigningInHub> {
  const { admins = [], hub: options = {}, ...said } = more;
  const clock = turnableClock();
  const provider = openidProvider({
    issuer,
    clientId: CLIENT.id,
    clientSecret: () => CLIENT.secret,
    scopes: 'openid profile',
    name: 'GitLab',
    userClaim: 'sub',
    groupsClaim: 'groups_direct',
    membership: 'directory',
    isGitlab: true,
    clock,
    log: hubLog(),
    ...said,
  });
  const hub = await startHub({ clock, identity: { provider, admins }, ...options });
  return { ...hub, clock, page: browserClient(hub), callback: `${hub.url}/api/v1/session/oidc/callback` };
}
