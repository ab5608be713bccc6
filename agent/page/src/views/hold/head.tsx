import type { HoldDetail } from '../../../../src/wire/api.ts';
import { Away } from '../../ui/away.tsx';
import { Chip, StateChip } from '../../ui/chip.tsx';
import { Fact } from '../../ui/fact.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

const SINCE: Readonly<Record<HoldDetail['trigger']['verified'], string>> = {
  gitlab: 'as GitLab says',
  payload: "as the job's payload says",
  unverified: 'unverified: a variable says so',
};
const REF_TYPES = { branch: 'branch', tag: 'tag', merge_request: 'merge request' } as const;

/** On a phone the difference comes first, and this opens when asked for. */
const NARROW_PX = 640;

/** Address of the commit on the server that the job came from; null where the project's path is not known. */
function commitUrl({ facts, instance, project_path: path }: HoldDetail): string | null {
  return path === null ? null : `${instance}/${path}/-/commit/${facts.commit.sha}`;
}

/** Who wants what to run where: the head of everything about one Hold. */
export function Head({ hold }: { readonly hold: HoldDetail }) {
  const { facts } = hold;
  const { commit, pipeline, environment, ref } = facts;
  return (
    <header class="head">
      <h1>
        <Shown text={hold.job} />{' '}
        <span class="of">
          in <Shown text={hold.project_path ?? `project ${hold.project_id}`} />
        </span>
      </h1>
      <p>
        <StateChip state={hold.state} />{' '}
        {hold.state === 'waiting_for_approval' && hold.attempt === null && (
          <Chip>no job in GitLab stands for it at present</Chip>
        )}
      </p>
      <details class="about" open={window.innerWidth > NARROW_PX}>
        <summary>
          {REF_TYPES[ref.type]} <Shown text={ref.name} />
          {environment !== null && (
            <>
              , to <Shown text={environment.name} />
            </>
          )}
          , by <PersonName person={hold.trigger} />, <Time at={hold.opened_at} />
        </summary>
        <dl class="facts">
          <Fact words="Ref">
            {REF_TYPES[ref.type]} <Shown text={ref.name} />{' '}
            <Chip tone={hold.ref_protected ? 'plain' : 'warn'}>
              {hold.ref_protected ? 'protected' : 'not protected'}
            </Chip>
          </Fact>
          <Fact words="Commit">
            <Away url={commitUrl(hold)}>
              <code>{commit.sha.slice(0, 12)}</code>
            </Away>{' '}
            {commit.title !== null && <Shown text={commit.title} />}
            {commit.author !== null && (
              <>
                {' '}
                by <Shown text={commit.author} />
              </>
            )}
          </Fact>
          {environment !== null && (
            <Fact words="Environment">
              <Shown text={environment.name} />
              {environment.tier !== null && (
                <>
                  , tier <Shown text={environment.tier} />
                </>
              )}{' '}
              {!environment.verified && <Chip tone="warn">GitLab did not confirm it</Chip>}
            </Fact>
          )}
          <Fact words="Requested by">
            <PersonName person={hold.trigger} />{' '}
            <span class="quiet">
              {SINCE[hold.trigger.verified]}
              {pipeline.source !== null && (
                <>
                  , by <Shown text={pipeline.source} />
                  {!pipeline.verified && ' (as a variable says)'}
                </>
              )}
            </span>
          </Fact>
          <Fact words="Job">
            <Away url={hold.job_url}>job {hold.job_id}</Away>
            {hold.pipeline_id !== null && (
              <>
                , <Away url={pipeline.url}>pipeline {hold.pipeline_id}</Away>
              </>
            )}
            {hold.stage !== null && (
              <>
                , stage <Shown text={hold.stage} />
              </>
            )}
          </Fact>
          <Fact words="Runner">
            <Shown text={hold.runner} />
          </Fact>
          <Fact words={hold.state === 'waiting_for_approval' ? 'Waiting since' : 'Opened'}>
            <Time at={hold.opened_at} />
          </Fact>
          {hold.ended_at === null ? (
            <Fact words="Expires">
              <Time at={hold.expires_at} isDue />
            </Fact>
          ) : (
            <Fact words="Ended">
              <Time at={hold.ended_at} />
            </Fact>
          )}
          {hold.frozen_until != null && (
            <Fact words="Kept back by a freeze">
              until <Time at={hold.frozen_until} isDue />
            </Fact>
          )}
          {hold.reason !== null && (
            <Fact words="Reason">
              <Shown text={hold.reason} />
            </Fact>
          )}
          {hold.retry !== null && (
            <Fact words="To be done">
              <Shown text={hold.retry.words} />{' '}
              {hold.retry.url !== null && <Away url={hold.retry.url}>the job in GitLab</Away>}
            </Fact>
          )}
        </dl>
      </details>
    </header>
  );
}
