import { freezeAt, frozenWords } from '../domain/freeze.ts';
import type { Hold } from '../domain/hold.ts';
import { type Policy, timeoutProblem } from '../domain/policy.ts';
import { rulesWords } from '../domain/policy-words.ts';
import { policyFor, targetOf } from './governing.ts';

/** What keeps a Hold back beside approvals that are missing, or asks for more of them at this moment, in words. */
export function keepsOf(policy: Policy, hold: Hold, now: number): readonly string[] {
  if (hold.state !== 'waiting_for_approval' && hold.state !== 'pending') return [];
  const { hard, extra } = freezeAt(policy.freezes, targetOf(hold), now);
  const timeout = timeoutProblem(policyFor(policy, hold).timeout, hold.timeoutS);
  return [
    ...(hard === null ? [] : [frozenWords(hard)]),
    ...(extra === null
      ? []
      : [
          `${extra.names.join(' and ')} asks for ${rulesWords(extra.rules)} as well, until ${new Date(extra.until).toISOString().slice(0, 16)}Z`,
        ]),
    ...(timeout === null ? [] : [`${timeout}: an approve is for this run alone`]),
  ];
}
