import type { HoldDetail } from '../../../../src/wire/api.ts';
import { stateWords } from '../../ui/chip.tsx';
import { personText } from '../../ui/people.tsx';

/** What has changed between two looks at the same Hold, in words; empty where nothing that matters has. */
export function changedSince(before: HoldDetail, now: HoldDetail): readonly string[] {
  const changes: string[] = [];
  if (before.digest !== now.digest) changes.push('its configuration is another one');
  if (before.state !== now.state) {
    const why = now.reason === null ? '' : ` (${now.reason})`;
    changes.push(`it is “${stateWords(now.state)}” now, and was “${stateWords(before.state)}”${why}`);
  }
  const said = new Map(before.votes.map((vote) => [vote.person.id, `${vote.decision} ${vote.at}`]));
  for (const { person, decision, at } of now.votes) {
    if (said.get(person.id) !== `${decision} ${at}`)
      changes.push(`${personText(person)} has ${decision === 'approve' ? 'approved' : 'rejected'} it`);
  }
  for (const { person } of before.votes) {
    if (!now.votes.some((vote) => vote.person.id === person.id))
      changes.push(`the vote of ${personText(person)} is gone`);
  }
  if (
    JSON.stringify(before.rules.map(({ name, need }) => [name, need])) !==
    JSON.stringify(now.rules.map(({ name, need }) => [name, need]))
  )
    changes.push('the rules are others');
  if (before.job_id !== now.job_id)
    changes.push(`job ${now.job_id} of the same pipeline waits in place of job ${before.job_id}`);
  if (before.may_vote.allowed !== now.may_vote.allowed)
    changes.push(
      now.may_vote.allowed ? 'you may approve it now' : `you may not approve it any more: ${now.may_vote.reason ?? ''}`,
    );
  return changes;
}
