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
}

function started(by: KnownPerson, { waitsFor, holdState, retry, trigger }: StandingOf): DeploymentStanding {
  const who = `started by ${personWords(by)}`;
  if (waitsFor.includes('configuration'))
    return { short: 'Started, waits for its configuration', words: `${who}; its configuration has to be approved` };
  if (holdState === 'running') return { short: 'Started, handed to its runner', words: `${who}; its runner has it` };
  if (holdState !== 'pending')
    return { short: 'Started, kept back', words: `${who}; it is kept back: its hold says by what` };
  if (retry === null) return { short: 'Started, waits for its runner', words: `${who}; it waits for its runner` };
  if (retry.by === 'nobody_yet')
    return { short: 'Started, to be retried', words: `${who}; GitLab has ended its job: it is to be retried there` };
  if (retry.by === 'trigger')
    return { short: 'Started, to be retried', words: `${who}; to be retried in GitLab by ${personWords(trigger)}` };
  return retry.jobId === null
    ? { short: 'Started, is being retried', words: `${who}; Holdpoint has GitLab run its job again` }
    : {
        short: 'Started, waits for its runner',
        words: `${who}; retried as job ${retry.jobId}, it waits for its runner`,
      };
}

/** Where a Deployment stands, for people. */
export function deploymentStanding(of: StandingOf): DeploymentStanding {
  const unread = of.waitsFor.includes('configuration') ? ', and its configuration has to be approved' : '';
  switch (of.state) {
    case 'blocked':
      return { short: 'Waits for approvals', words: `approvals are missing${unread}` };
    case 'created':
      return of.started === null
        ? { short: 'Approved, to be run', words: `approved; somebody with deploy access has to run it${unread}` }
        : started(of.started, of);
    case 'running':
      return { short: 'Running', words: of.started === null ? 'runs' : `started by ${personWords(of.started)}; runs` };
    case 'success':
      return { short: 'Success', words: 'ended with success' };
    case 'failed':
      return { short: 'Failed', words: 'failed' };
    case 'canceled':
      return { short: 'Canceled', words: 'was canceled' };
    default:
      return of.state satisfies never;
  }
}
