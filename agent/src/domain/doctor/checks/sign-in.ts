import { type Answer, fail, ok } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

export const signIn: Check = {
  id: 'sign_in',
  title: 'Sign-in',
  means:
    'People sign in through an OpenID provider. When it cannot be reached, or names itself by another address than oidc.issuer, only those who have a token can decide.',
  agent: false,
  notOfHub: null,
  look: (look) =>
    given(look.signIn, (found): Answer => {
      if (found === null) return [ok('people sign in with tokens alone: no provider is named')];
      const { name, problem } = found;
      return problem === null
        ? [ok(`${name} answers as an OpenID provider, by that name`)]
        : [fail(`${name}: ${problem}`, 'look at hub.oidc.issuer, name resolution, firewall and the provider itself')];
    }),
};
