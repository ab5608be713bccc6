import { answer, fail, ok, type Said, skipped, warn } from '../finding.ts';
import type { Check, Observation, RunnerEntryLook } from '../observation.ts';
import { entriesOf, entryText, given, isGuarded } from '../words.ts';

function said(entry: RunnerEntryLook, look: Observation): Said {
  const where = entryText(entry);
  switch (entry.token) {
    case 'gateway':
      return ok(`${where} carries a token that this gateway alone takes`);
    case 'real': {
      const own =
        look.settings.ok && look.settings.value.runners.some((one) => one.name === entry.runner && one.ownToken);
      if (own) {
        return fail(
          `${where} carries GitLab's token, but agent.yml gives it one of its own: the gateway refuses it`,
          'put the token of gateway_token_file into config.toml',
        );
      }
      if (!isGuarded(entry, look)) return ok(`${where} carries GitLab's token; it is not gated`);
      return warn(
        `${where} carries GitLab's token: a copy of it takes jobs past the gate, from any machine`,
        'let the agent alone have it: "holdpoint init" makes a gateway token and changes the file',
      );
    }
    case 'other':
      return warn(
        `${where} carries a token that stands in no runners[] entry of agent.yml: what comes with it is gated, under no name`,
        'list it in agent.yml under runners',
      );
    case 'unknown':
      return skipped(
        `whose token ${where} carries is not seen: the token files of the agent are closed to this user`,
        'run doctor as root',
      );
    case 'none':
      return warn(`${where} has no token`, 'register it, or take the entry out');
    default:
      return entry.token satisfies never;
  }
}

export const runnerToken: Check = {
  id: 'runner_token',
  title: 'Runner tokens',
  means:
    'Whoever can read a config.toml with the real token can start a runner elsewhere that takes the same jobs past the gate. With a gateway token a copied file is worth nothing; a backup from before still is.',
  agent: true,
  notOfHub: 'tokens of runners lie on the hosts of their agents',
  look: (look) =>
    given(look.runnerFiles, (files) =>
      answer(
        [
          ...entriesOf(look).map((entry) => said(entry, look)),
          ...files.flatMap(({ copies }) =>
            copies.map((path) =>
              warn(
                `${path} is a copy of config.toml with a real token in it`,
                'delete it once the runner works, and make a new token in GitLab',
              ),
            ),
          ),
        ],
        () =>
          skipped('no [[runners]] entry could be read', 'name the file with --runner-config, and run doctor as root'),
      ),
    ),
};
