import type { EnvironmentChange } from '../../domain/protected-environment.ts';
import type { V4Answer } from './route.ts';

/** Where the policy asks for four eyes a change is kept until a second person confirms it; GitLab has no such answer. */
export function pendingAnswer(change: Pick<EnvironmentChange, 'id'>): V4Answer {
  const message = `202 Accepted - change ${change.id} holds when a second person has confirmed it`;
  return { status: 202, body: { message, change: change.id } };
}
