import { redactTokens } from '../redact.ts';
import { backup } from './checks/backup.ts';
import { certificate } from './checks/certificate.ts';
import { channels } from './checks/channels.ts';
import { clock } from './checks/clock.ts';
import { cloneUrl } from './checks/clone-url.ts';
import { configuration } from './checks/configuration.ts';
import { disk } from './checks/disk.ts';
import { executorSettings } from './checks/executor-settings.ts';
import { executors } from './checks/executors.ts';
import { gateway } from './checks/gateway.ts';
import { git } from './checks/git.ts';
import { gitlab } from './checks/gitlab.ts';
import { hub } from './checks/hub.ts';
import { jobNetwork } from './checks/job-network.ts';
import { jobRouter } from './checks/job-router.ts';
import { policy } from './checks/policy.ts';
import { policyTests } from './checks/policy-tests.ts';
import { receipts } from './checks/receipts.ts';
import { rootWays } from './checks/root-ways.ts';
import { runnerAddress } from './checks/runner-address.ts';
import { runnerProcess } from './checks/runner-process.ts';
import { runnerToken } from './checks/runner-token.ts';
import { sameTags } from './checks/same-tags.ts';
import { sameUser } from './checks/same-user.ts';
import { secretFiles } from './checks/secret-files.ts';
import { signIn } from './checks/sign-in.ts';
import { stateDir } from './checks/state-dir.ts';
import { store } from './checks/store.ts';
import { sync } from './checks/sync.ts';
import { version } from './checks/version.ts';
import { type Answer, type Finding, skipped } from './finding.ts';
import type { Check, Observation } from './observation.ts';

/** Every check, in the order in which people are told: first whether it guards, then whether it can be got around, then whether it lasts. */
export const CHECKS: readonly Check[] = [
  configuration,
  gitlab,
  gateway,
  runnerAddress,
  runnerProcess,
  jobRouter,
  runnerToken,
  sameTags,
  cloneUrl,
  jobNetwork,
  executors,
  receipts,
  executorSettings,
  sameUser,
  rootWays,
  secretFiles,
  stateDir,
  clock,
  disk,
  sync,
  backup,
  store,
  hub,
  certificate,
  signIn,
  channels,
  policy,
  policyTests,
  git,
  version,
];

/** Runs the checks over what was gathered; each says at least one thing. */
export function examine(observation: Observation, checks: readonly Check[] = CHECKS): readonly Finding[] {
  // What people named their runners and files is quoted: none of it may be a token (T24).
  return checks.flatMap((check) =>
    answerOf(check, observation).map(({ status, message, mend }) => ({
      check: check.id,
      status,
      message: redactTokens(message),
      mend: mend === null ? null : redactTokens(mend),
    })),
  );
}

/** A check that is about agents says so where there is none, rather than nothing. */
function answerOf(check: Check, look: Observation): Answer {
  return look.of === 'hub' && check.notOfHub !== null
    ? [skipped(check.notOfHub, 'run "holdpoint doctor" on the host of each agent')]
    : check.look(look);
}

/** What a check is called; one of a newer agent by its id. */
export function titleOf(id: string): string {
  return CHECKS.find((check) => check.id === id)?.title ?? id;
}

/** The checks that an agent makes by itself, without a hub to ask. */
export const AGENT_CHECKS: readonly Check[] = CHECKS.filter(({ agent }) => agent);
