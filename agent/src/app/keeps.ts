import { filesSectionOf } from '../domain/covered-files.ts';
import { freezeAt, frozenWords } from '../domain/freeze.ts';
import type { Hold } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { unresolvedImages } from '../domain/pinned-images.ts';
import { type EffectivePolicy, type Policy, timeoutProblem } from '../domain/policy.ts';
import { rulesWords } from '../domain/policy-words.ts';
import { missingSections, sectionsWanted } from '../domain/sections.ts';
import { policyFor, targetOf } from './governing.ts';

/** What keeps a Hold back beside approvals that are missing, or asks for more of them at this moment, in words. */
export function keepsOf(
  policy: Policy,
  hold: Hold,
  now: number,
  configuration: JsonObject | null = null,
): readonly string[] {
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
    ...(configuration === null ? [] : sectionKeeps(policyFor(policy, hold), configuration)),
    ...(timeout === null ? [] : [`${timeout}: an approve is for this run alone`]),
  ];
}

/** What the policy wants covered and nobody could read, or what this configuration does not say of it. */
function sectionKeeps(policy: EffectivePolicy, configuration: JsonObject): readonly string[] {
  const missing = missingSections(configuration, sectionsWanted(policy));
  const unread = filesSectionOf(configuration)?.unread ?? null;
  const unresolved = unresolvedImages(configuration);
  return [
    ...(missing === null ? [] : [missing]),
    ...(unread === null
      ? []
      : [
          `files of the repository that the policy covers could not be read (${unread}): an approve is for this run alone`,
        ]),
    ...(unresolved.length === 0
      ? []
      : [`nobody could tell what ${unresolved.join(', ')} stands for: an approve is for this run alone`]),
  ];
}
