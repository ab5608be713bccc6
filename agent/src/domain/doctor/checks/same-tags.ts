import { answer, fail, ok, type Said, warn } from '../finding.ts';
import type { Check, OtherRunnerLook, SameTagsLook } from '../observation.ts';
import { given, listText } from '../words.ts';

const named = (others: readonly OtherRunnerLook[]): string =>
  listText(others.map(({ id, description }) => `${description || 'unnamed'} (${id})`));

function said({ runner, tags, runUntagged, others, hidden }: SameTagsLook): Said[] {
  const awake = others.filter(({ paused }) => !paused);
  const shared = (other: OtherRunnerLook): number => other.tags.filter((tag) => tags.includes(tag)).length;
  const whole = awake.filter(
    (other) => (tags.length > 0 && shared(other) === tags.length) || (runUntagged && other.runUntagged),
  );
  const some = awake.filter((other) => !whole.includes(other) && shared(other) > 0);
  const mend =
    'put a gateway before them, pause them, or give the guarded runner a tag that no other has and use it in the jobs';
  const out: Said[] = [];
  if (whole.length > 0)
    out.push(fail(`jobs for "${runner}" can run on ${named(whole)} as well, which do not ask this gateway`, mend));
  if (some.length > 0)
    out.push(warn(`"${runner}" shares tags with ${named(some)}: jobs that name only these tags can run there`, mend));
  if (hidden > 0)
    out.push(
      warn(
        `${hidden} runners of the projects of "${runner}" do not show their tags to the token of gitlab.token_file`,
        'use a token of somebody who may see them (maintainer of the projects, or an administrator)',
      ),
    );
  return out.length > 0 ? out : [ok(`no other runner takes jobs for "${runner}"`)];
}

export const sameTags: Check = {
  id: 'same_tags',
  title: 'Twins of the runners',
  means:
    'GitLab gives a job to any runner that has its tags. One that does not ask the gateway, with the tags of a guarded one, is a way around the gate that needs no attack. Asked with gitlab.token_file.',
  agent: true,
  notOfHub: 'whom a runner has as a twin is asked on the host of its agent, which knows the runner',
  look: (look) =>
    given(look.sameTags, (guarded) =>
      answer(guarded.flatMap(said), () => ok('no runner of this host is guarded, so none has a twin')),
    ),
};
