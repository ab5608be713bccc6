/** Policies and broken glasses as the API shows them. */
import { type BreakGlass, breakGlassState } from '../domain/break-glass.ts';
import type { Policy, PolicySettings } from '../domain/policy.ts';
import { demandedMode } from '../domain/policy-demands.ts';
import { type Explanation, explanationLines, type PolicyPath } from '../domain/policy-explain.ts';
import {
  freezeWords,
  matchWords,
  rulesWords,
  SETTING_NAMES,
  SETTING_PATHS,
  settingWords,
} from '../domain/policy-words.ts';
import { deployWords } from '../domain/protected-environment.ts';
import { retentionWords } from '../domain/retention.ts';
import type { PolicyStatus } from '../ports/policy-status.ts';
import type { AgentRecord } from '../ports/store.ts';
import type { BreakGlassView } from '../wire/break-glass.ts';
import type { ExplanationView, PolicyView } from '../wire/policy.ts';

const time = (at: number): string => new Date(at).toISOString();
const noLine = (): null => null;

/** The policy in force. */
export function policyView(policy: Policy, status: PolicyStatus | null, agents: readonly AgentRecord[]): PolicyView {
  const line = status?.line ?? noLine;
  const said = (settings: Partial<PolicySettings>, at: PolicyPath) =>
    SETTING_NAMES.filter((name) => settings[name] !== undefined).map((name) => ({
      key: SETTING_PATHS[name].join('.'),
      words: settingWords(name, { ...policy.base, ...settings }),
      line: line([...at, ...SETTING_PATHS[name]]),
    }));
  return {
    version: policy.version,
    file: status?.file ?? null,
    loaded_at: status === null ? null : time(status.loadedAt),
    problem: status?.problem ?? null,
    settings: said(policy.base, []),
    entries: policy.entries.map(({ name, match, settings }, index) => ({
      name,
      match: matchWords(match),
      line: line(['configurations', index]),
      settings: said(settings, ['configurations', index]),
    })),
    freeze: policy.freezes.map((window, index) => ({
      name: window.name,
      words: freezeWords(window),
      line: line(['freeze', index]),
    })),
    environments: policy.environments.map(({ name, approvalRules, deployAccess }, index) => ({
      name,
      words: `${approvalRules.length === 0 ? 'no votes' : rulesWords(approvalRules)}; started by ${deployWords([deployAccess])}`,
      line: line(['environments', index]),
    })),
    retention: retentionWords(policy.retention).map((each) => ({ ...each, line: line(['retention', each.key]) })),
    runners: policy.runners.map((demand) => ({ ...demand })),
    lax_runners: agents.flatMap((agent) =>
      agent.runners.flatMap((runner) => {
        const wanted = demandedMode(policy.runners, runner.name);
        const lax = wanted === 'enforce' && !runner.protected;
        return lax ? [{ agent: agent.name, runner: runner.name, wanted }] : [];
      }),
    ),
  };
}

/** What the policy says of one job. */
export function explanationView(of: Explanation, status: PolicyStatus | null): ExplanationView {
  const line = status?.line ?? noLine;
  const where = (path: PolicyPath): string => {
    const at = line(path);
    return at === null ? 'as shipped' : `line ${at}`;
  };
  const rules = (list: Explanation['rules']) =>
    list.map(({ words, people }) => ({ words, people: people === null ? null : [...people] }));
  const { freeze, deployment } = of;
  return {
    policy: of.policy,
    entries: of.entries.map(({ name, match, path, decides, overruled }) => ({
      name,
      match,
      line: line(path),
      decides: [...decides],
      overruled: [...overruled],
    })),
    settings: of.settings.map(({ key, words, entry, path }) => ({ key, words, entry, line: line(path) })),
    rules: rules(of.rules),
    break_glass: rules(of.breakGlass),
    frozen_until: freeze.hard === null ? null : time(freeze.hard.until),
    frozen_by: [...(freeze.hard?.names ?? [])],
    excepted: [...freeze.excepted],
    deployment:
      deployment === null
        ? null
        : {
            sources: [...deployment.sources],
            rules: rules(deployment.rules),
            deploy: rules([deployment.deploy])[0]!,
          },
    lines: [...explanationLines(of, where)],
  };
}

/** One run without its approval. */
export function breakGlassView(glass: BreakGlass, now: number): BreakGlassView {
  const { subject, place, closed } = glass;
  return {
    id: glass.id,
    hold: glass.hold,
    state: breakGlassState(glass, now),
    digest: glass.digest,
    project_id: subject.projectId,
    project_path: glass.projectPath,
    job: subject.job,
    ref: place.ref,
    environment: place.environment,
    person: { ...glass.person },
    rule: glass.rule,
    reason: glass.reason,
    policy: glass.policy,
    at: time(glass.at),
    until: time(glass.until),
    review_by: time(glass.reviewBy),
    frozen: glass.frozen,
    closed: closed === null ? null : { ...closed, by: { ...closed.by }, at: time(closed.at) },
  };
}
