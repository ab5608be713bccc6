import type { DeploymentState } from './deployment.ts';
import type { HoldState } from './hold.ts';
import { type KnownPerson, personWords } from './person-words.ts';
import type { RetryAdvice } from './retrying.ts';

/** What decides where a Deployment stands, as the hub and whoever reads its answers have it. */
export interface StandingOf {
  readonly state: DeploymentState;
  readonly started: KnownPerson | null;
  /** Who triggered the job: in their name it is retried. */
  readonly trigger: KnownPerson;
  readonly waitsFor: readonly ('configuration' | 'approvals' | 'start')[];
  readonly holdState: HoldState;
  /** What has to happen to its job in GitLab; null while one stands for it, or while the hub does not say. */
  readonly retry: Pick<RetryAdvice, 'by' | 'jobId'> | null;
}

/** Where a Deployment stands: in two or three words, and what is missing in a sentence without its end. */
export interface DeploymentStanding {
  readonly short: string;
  readonly words: string;
  /** Whom it waits for: somebody who has to do something, or programs that will; null once it runs or is over. */
  readonly waitsFor: 'people' | 'programs' | null;
}

const forPeople = (short: string, words: string): DeploymentStanding => ({ short, words, waitsFor: 'people' });
const forPrograms = (short: string, words: string): DeploymentStanding => ({ short, words, waitsFor: 'programs' });
const goesOn = (short: string, words: string): DeploymentStanding => ({ short, words, waitsFor: null });

function started(by: KnownPerson, { waitsFor, holdState, retry, trigger }: StandingOf): DeploymentStanding {
  const who = `started by ${personWords(by)}`;
  if (waitsFor.includes('configuration'))
    return forPeople('Started, waits for its configuration', `${who}; its configuration has to be approved`);
  if (holdState === 'running') return goesOn('Started, handed to its runner', `${who}; its runner has it`);
  if (holdState !== 'pending') return forPeople('Started, kept back', `${who}; it is kept back: its hold says by what`);
  if (retry === null) return forPrograms('Started, waits for its runner', `${who}; it waits for its runner`);
  if (retry.by === 'nobody_yet')
    return forPeople('Started, to be retried', `${who}; GitLab has ended its job: it is to be retried there`);
  if (retry.by === 'trigger')
    return forPeople('Started, to be retried', `${who}; to be retried in GitLab by ${personWords(trigger)}`);
  return retry.jobId === null
    ? forPrograms('Started, is being retried', `${who}; Holdpoint has GitLab run its job again`)
    : forPrograms('Started, waits for its runner', `${who}; retried as job ${retry.jobId}, it waits for its runner`);
}

/** Where a Deployment stands, for people. */
export function deploymentStanding(of: StandingOf): DeploymentStanding {
  const unread = of.waitsFor.includes('configuration') ? ', and its configuration has to be approved' : '';
  switch (of.state) {
    case 'blocked':
      return forPeople('Waits for approvals', `approvals are missing${unread}`);
    case 'created':
      return of.started === null
        ? forPeople('Approved, to be run', `approved; somebody with deploy access has to run it${unread}`)
        : started(of.started, of);
    case 'running':
      return goesOn('Running', of.started === null ? 'runs' : `started by ${personWords(of.started)}; runs`);
    case 'success':
      return goesOn('Success', 'ended with success');
    case 'failed':
      return goesOn('Failed', 'failed');
    case 'canceled':
      return goesOn('Canceled', 'was canceled');
    default:
      return of.state satisfies never;
  }
}
