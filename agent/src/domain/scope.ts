import { HoldpointError } from './errors.ts';
import { type Place, refClass } from './subject.ts';

/**
 * Where the artifacts come from that a runner unpacks over the checkout (T48), the narrowest first; each holds what the
 * one before it holds. `admitted`: jobs of the same pipeline that ran under an Approval; `same_pipeline`: jobs of the
 * same pipeline, as GitLab says; `any`: jobs of which nothing is known.
 */
export const INPUTS = ['admitted', 'same_pipeline', 'any'] as const;
/** One of the classes of inputs. */
export type Inputs = (typeof INPUTS)[number];

/** How far refs may be widened, the narrowest first. */
export const REF_LIMITS = ['exact', 'protected', 'any'] as const;
/** One of the limits of refs. */
export type RefLimit = (typeof REF_LIMITS)[number];

/** Which refs an Approval covers beside its own: none, those that match a glob with the same protection, all protected ones, all. */
export type RefScope =
  | { readonly kind: 'exact' }
  | { readonly kind: 'glob'; readonly pattern: string }
  | { readonly kind: 'protected' }
  | { readonly kind: 'any' };

/** What an Approval covers beside its Subject, Digest, Place and lifetime. */
export interface Scope {
  readonly ref: RefScope;
  readonly inputs: Inputs;
  /** Names of `runners[]` entries; null: every gated runner. */
  readonly runners: readonly string[] | null;
}

/** How far the policy lets approvers widen a Scope, and what a vote gets that names none. */
export interface ScopePolicy {
  readonly inputs: { readonly default: Inputs; readonly environments: Inputs; readonly max: Inputs };
  readonly refs: RefLimit;
}

/** What a vote says of the scope; a member that is absent is the default. */
export type ScopeWish = { readonly [K in keyof Scope]?: Scope[K] | undefined };

/** What a job brings that a Scope decides about. */
export interface Origin {
  readonly place: Place;
  readonly inputs: Inputs;
  readonly runner: string;
}

/** GitLab's longest ref has 255 characters; a pattern is shorter. */
const MAX_PATTERN_CHARACTERS = 255;
const MAX_RUNNERS = 100;

/** The class of what a job takes in: every one of its dependencies must be of it; a job without any is of the narrowest. */
export function inputsOf(
  dependencies: readonly { readonly jobId: number | null; readonly samePipeline: boolean | null }[],
  admitted: ReadonlySet<number>,
): Inputs {
  if (!dependencies.every((one) => one.samePipeline === true)) return 'any';
  return dependencies.every((one) => one.jobId !== null && admitted.has(one.jobId)) ? 'admitted' : 'same_pipeline';
}

/**
 * True when nothing is known against a job's dependencies, but GitLab could not be asked about all of them: older servers
 * let no job ask for the jobs of its own pipeline.
 */
export function inputsUnasked(dependencies: readonly { readonly samePipeline: boolean | null }[]): boolean {
  return (
    dependencies.some((one) => one.samePipeline === null) && dependencies.every((one) => one.samePipeline !== false)
  );
}

/** True when the first class is within the second. */
export function inputsWithin(inputs: Inputs, scope: Inputs): boolean {
  return INPUTS.indexOf(inputs) <= INPUTS.indexOf(scope);
}

/**
 * True when the whole text matches; `*` stands for any characters, nothing else is special. Takes time in proportion to
 * pattern and text: pieces are found one after the other, never again.
 */
export function globMatches(pattern: string, text: string): boolean {
  const pieces = pattern.split(/\*+/);
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function refCovered(scope: RefScope, own: Place, asked: Place): boolean {
  if (refClass(own) === refClass(asked) && own.refProtected === asked.refProtected) return true;
  switch (scope.kind) {
    case 'exact':
      return false;
    case 'glob':
      return own.refProtected === asked.refProtected && globMatches(scope.pattern, asked.ref);
    case 'protected':
      return asked.refProtected;
    case 'any':
      return true;
    default:
      scope satisfies never;
      return false;
  }
}

/** True when the scope of something approved at `own` reaches this place; the environment is never widened (T10, T11). */
export function placeCovered(scope: Scope, own: Place, asked: Place): boolean {
  return own.environment === asked.environment && refCovered(scope.ref, own, asked);
}

/** True when something that was approved at `own` with this scope covers a job of this origin (T10, T11, T48). */
export function scopeCovers(scope: Scope, own: Place, asked: Origin): boolean {
  return (
    placeCovered(scope, own, asked.place) &&
    inputsWithin(asked.inputs, scope.inputs) &&
    (scope.runners === null || scope.runners.includes(asked.runner))
  );
}

/**
 * What a vote gets that names nothing: the exact ref and every gated runner, and for inputs the policy's default; for a
 * job with an environment the policy's other one, where the jobs that it takes from are gated too. Where GitLab cannot be
 * asked (`unasked`) it is `any`, which is said to whoever approves: a default that could never be met would only teach
 * everybody to type the wider one. What GitLab says to come from elsewhere is not widened by itself.
 */
export function defaultScope(policy: ScopePolicy, origin: Origin, unasked: boolean): Scope {
  const { inputs } = policy;
  const gated = origin.place.environment !== null && origin.inputs === 'admitted';
  const wanted = unasked && origin.inputs === 'any' ? 'any' : gated ? inputs.environments : inputs.default;
  return { ref: { kind: 'exact' }, inputs: narrower(wanted, inputs.max), runners: null };
}

const narrower = (a: Inputs, b: Inputs): Inputs => (inputsWithin(a, b) ? a : b);

/** Throws `scope_not_allowed` for a scope beyond the policy. */
export function requireScope(scope: Scope, policy: ScopePolicy, own: Place): void {
  const refuse = (what: string, most: string): never => {
    throw new HoldpointError('scope_not_allowed', `scope ${what} is wider than the policy allows: use ${most}`);
  };
  if (!inputsWithin(scope.inputs, policy.inputs.max)) refuse(`inputs=${scope.inputs}`, `inputs=${policy.inputs.max}`);
  const { ref } = scope;
  const needs: RefLimit =
    ref.kind === 'exact'
      ? 'exact'
      : ref.kind === 'any' || (ref.kind === 'glob' && !own.refProtected)
        ? 'any'
        : 'protected';
  if (REF_LIMITS.indexOf(needs) > REF_LIMITS.indexOf(policy.refs)) {
    refuse(`ref=${refText(ref)}`, policy.refs === 'exact' ? 'ref=exact' : 'ref=protected');
  }
}

/** Throws `scope_too_narrow` when the scope does not even cover the job that the vote is about: nothing would be let go. */
export function requireCovers(hold: number, scope: Scope, origin: Origin): void {
  if (scopeCovers(scope, origin.place, origin)) return;
  if (scope.runners !== null && !scope.runners.includes(origin.runner)) {
    throw new HoldpointError(
      'scope_too_narrow',
      `hold ${hold} is of runner ${origin.runner}: name it among the runners`,
    );
  }
  const found =
    origin.inputs === 'any'
      ? 'takes in artifacts of jobs that GitLab did not confirm to be of the same pipeline'
      : 'takes in artifacts of jobs that did not run under an approval';
  throw new HoldpointError(
    'scope_too_narrow',
    `hold ${hold} ${found}, and the scope inputs=${scope.inputs} does not cover that: look where they come from, then approve with --scope inputs=${origin.inputs}`,
  );
}

/** The narrowest of the scopes that were voted. Two globs that differ have no common one that is certain: the exact ref stays. */
export function narrowestScope(scopes: readonly [Scope, ...Scope[]]): Scope {
  const rank = { exact: 0, glob: 1, protected: 2, any: 3 } as const;
  return scopes.reduce((a, b) => ({
    ref:
      a.ref.kind === 'glob' && b.ref.kind === 'glob' && a.ref.pattern !== b.ref.pattern
        ? { kind: 'exact' }
        : rank[a.ref.kind] <= rank[b.ref.kind]
          ? a.ref
          : b.ref,
    inputs: narrower(a.inputs, b.inputs),
    runners:
      a.runners === null ? b.runners : b.runners === null ? a.runners : a.runners.filter((n) => b.runners!.includes(n)),
  }));
}

/** Text of a ref scope: `exact`, `protected`, `any` or the pattern. */
export function refText(ref: RefScope): string {
  return ref.kind === 'glob' ? ref.pattern : ref.kind;
}

/** Reads `exact` (or `ref`), `protected`, `any` or a glob over full refs such as `refs/heads/release/*`. Throws `bad_input`. */
export function parseRefScope(text: string): RefScope {
  if (text === 'exact' || text === 'ref') return { kind: 'exact' };
  if (text === 'protected' || text === 'any') return { kind: text };
  const isGlob = /^refs\/(?:heads|tags|merge-requests)\/[^\s\p{Cc}]+$/u.test(text) && text.includes('*');
  if (isGlob && text.length <= MAX_PATTERN_CHARACTERS) return { kind: 'glob', pattern: text };
  throw new HoldpointError(
    'bad_input',
    `scope ref=${text} is not understood: write exact, protected, any or a pattern such as refs/heads/release/*`,
  );
}

/** Reads what stands behind `--scope`: `ref`, or `inputs=…`, `ref=…`, `runners=a,b`, several with blanks between. Throws `bad_input`. */
export function parseScopeWish(texts: readonly string[]): ScopeWish {
  let wish: ScopeWish = {};
  for (const text of texts.flatMap((each) => each.split(/\s+/)).filter((each) => each !== '')) {
    const [, name = text, value = ''] = /^([a-z]+)=(.+)$/s.exec(text) ?? [];
    const inputs = INPUTS.find((each) => each === value);
    if (name === 'ref') wish = { ...wish, ref: parseRefScope(value === '' ? 'exact' : value) };
    else if (name === 'inputs' && inputs !== undefined) wish = { ...wish, inputs };
    else if (name === 'runners' && value !== '') wish = { ...wish, runners: value.split(',').slice(0, MAX_RUNNERS) };
    else {
      throw new HoldpointError(
        'bad_input',
        `scope ${text} is not understood: write inputs=${INPUTS.join('|')}, ref=exact|protected|any|PATTERN or runners=NAME,NAME`,
      );
    }
  }
  return wish;
}

/** The text that {@link parseScopeWish} reads. */
export function scopeText(scope: Scope): string {
  const runners = scope.runners === null ? '' : ` runners=${scope.runners.join(',')}`;
  return `ref=${refText(scope.ref)} inputs=${scope.inputs}${runners}`;
}

const INPUT_WORDS: Record<Inputs, string> = {
  admitted: 'artifacts only from jobs of the same pipeline that ran under an approval',
  same_pipeline: 'artifacts only from jobs of the same pipeline, whatever those ran',
  any: 'artifacts of any job, of other pipelines and projects too: whoever makes them can change what runs',
};

/** What exactly an Approval with this scope lets run, in lines for people. */
export function scopeWords(scope: Scope, own: Place): readonly string[] {
  const pushers = own.refProtected ? 'protected' : 'not protected: any pusher decides what is in it';
  const refs: Record<RefScope['kind'], string> = {
    exact: refClass(own) === own.ref ? `${own.ref} only (${pushers})` : 'every protected tag',
    glob: `every ref ${refText(scope.ref)} that is ${own.refProtected ? 'protected' : 'not protected: any pusher'}`,
    protected: 'every protected ref',
    any: 'every ref, unprotected ones too: any pusher',
  };
  return [
    refs[scope.ref.kind],
    own.environment === null ? 'without an environment' : `environment ${own.environment} only`,
    INPUT_WORDS[scope.inputs],
    scope.runners === null ? 'on every runner behind Holdpoint' : `on runners ${scope.runners.join(', ')} only`,
  ];
}
