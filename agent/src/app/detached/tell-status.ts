import { gateStatus, gateWords, lastAttempt } from '../../domain/retrying.ts';
import { holdUrl } from '../hub-context.ts';
import type { DetachedDeps } from './retry.ts';

/** So many a sweep; the rest comes with the next one. */
const BATCH = 100;
/** GitLab takes 255 characters for the name of a status. */
const MAX_NAME_CHARS = 255;

/**
 * Sets the commit status `holdpoint/<job>` of what has been detached: pending while it waits, its outcome afterwards. Only
 * with the operator's token; a project that refuses it is said once and not asked again. Rejects with `ci_unreachable`.
 */
export async function tellStatuses(deps: DetachedDeps, refused: Set<number>): Promise<void> {
  const { hub, ci, log } = deps;
  const token = deps.botToken();
  if (token === null) return;
  for (const hold of await hub.store.untoldHolds(BATCH)) {
    const { projectId, job } = hold.subject;
    const state = gateStatus(hold);
    const facts = await hub.store.facts(hold.id, lastAttempt(hold).jobId);
    if (!refused.has(projectId) && facts !== null) {
      const answer = await ci.setStatus(token, {
        projectId,
        sha: facts.commit.sha,
        pipelineId: hold.pipelineId,
        name: `holdpoint/${job}`.slice(0, MAX_NAME_CHARS),
        state,
        description: gateWords(hold),
        url: holdUrl(hub, hold.id),
      });
      if (!answer.ok) {
        refused.add(projectId);
        log.warn(
          { project: projectId, status: answer.status },
          'GitLab refuses commit statuses to the token of hub.gitlab_token_file: none are set in this project',
        );
      }
    }
    const told = refused.has(projectId) || facts === null ? 'refused' : state;
    await hub.store.write((tx) => tx.putCiStatus(hold.id, told, hub.clock.now()));
  }
}
