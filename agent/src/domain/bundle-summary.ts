import { escapeHtml, facts, list, object, personOf, personText, section, table, words } from './bundle-html.ts';
import { DEPLOYMENT_STATES, type DeploymentState } from './deployment.ts';
import { deploymentStanding } from './deployment-standing.ts';
import { HOLD_STATES, type HoldState } from './hold.ts';
import type { Json, JsonObject } from './json.ts';
import { LET_RUN_WORDS, type LetRunParts, type LetRunStep, whoLetRun } from './who-let-run.ts';

/** What an auditor asks first of a bundle, on the first screen of its page: who let it run, what ran, how to check that. */

const text = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null);
const number = (value: Json | undefined): number => (typeof value === 'number' ? value : 0);
const isThere = (value: Json | undefined): boolean => value !== undefined && value !== null;

/** What the page is called: the Deployment where there is one, since that is what people ask about. */
export function bundleTitle(predicate: JsonObject): string {
  if (!isThere(predicate.deployment)) return words(predicate.about);
  const [hold, deployment] = [object(predicate.hold), object(predicate.deployment)];
  const to = words(object(deployment.environment).name ?? hold.environment);
  return `Deployment ${words(deployment.id)}: ${words(hold.job)} of ${words(hold.project_path ?? hold.project_id)} to ${to}`;
}

const votesOf = (of: JsonObject): NonNullable<LetRunParts['approval']>['votes'] =>
  list(of.votes).map((each) => {
    const { person, decision } = object(each);
    return { person: personOf(person), decision: words(decision) };
  });
const rulesOf = (of: JsonObject): LetRunParts['rules'] =>
  list(of.rules).map((each) => {
    const { name, who, count } = object(each);
    return { name: words(name), who: words(who), count: number(count) };
  });

function approvalOf(of: JsonObject): LetRunParts['approval'] {
  const revoked = object(of.revoked);
  return {
    id: number(of.id),
    digest: words(of.digest),
    lifetime: words(of.lifetime),
    votes: votesOf(of),
    auto: isThere(of.auto) ? personOf(of.auto) : null,
    breakGlass: of.break_glass === true,
    policy: words(of.policy),
    createdAt: words(of.created_at),
    revoked: isThere(of.revoked) ? { by: words(revoked.by), at: words(revoked.at) } : null,
  };
}

function deploymentOf(of: JsonObject): LetRunParts['deployment'] {
  const started = object(of.started);
  return {
    rules: rulesOf(of),
    votes: votesOf(of),
    approvedAt: text(of.approved_at),
    started: isThere(of.started) ? { person: personOf(started.person), at: words(started.at) } : null,
    policy: words(of.policy),
  };
}

function stepsOf(predicate: JsonObject, digest: string): readonly LetRunStep[] {
  const hold = object(predicate.hold);
  const commit = object(object(predicate.facts).commit);
  return whoLetRun({
    digest,
    trigger: { ...personOf(hold.trigger), verified: words(object(hold.trigger).verified) },
    openedAt: words(hold.opened_at),
    commit: {
      sha: words(commit.sha),
      people: list(commit.people).map((each) => ({
        role: 'author',
        ...personOf(each),
        name: words(object(each).name),
      })),
    },
    approval: isThere(predicate.approval) ? approvalOf(object(predicate.approval)) : null,
    rules: object(predicate.approval).break_glass === true ? [] : rulesOf(object(predicate.review)),
    deployment: isThere(predicate.deployment) ? deploymentOf(object(predicate.deployment)) : null,
    attempts: list(hold.attempts).map((each) => {
      const { job_id, runner, handed_out_at, ended_at, ended } = object(each);
      return {
        jobId: number(job_id),
        runner: words(runner),
        handedOutAt: text(handed_out_at),
        endedAt: text(ended_at),
        ended: text(ended),
      };
    }),
  });
}

/** Where the Deployment stands; whether a retry is on its way is not known to a bundle. */
function standingOf(predicate: JsonObject): string {
  const [hold, deployment] = [object(predicate.hold), object(predicate.deployment)];
  const state = DEPLOYMENT_STATES.find((one) => one === deployment.state) as DeploymentState | undefined;
  const holdState = HOLD_STATES.find((one) => one === hold.state) as HoldState | undefined;
  if (state === undefined || holdState === undefined) return words(deployment.state ?? hold.state);
  const last = object(list(hold.attempts).at(-1));
  return deploymentStanding({
    state,
    holdState,
    started: isThere(deployment.started) ? personOf(object(deployment.started).person) : null,
    trigger: personOf(hold.trigger),
    waitsFor: holdState === 'waiting_for_approval' && !isThere(predicate.approval) ? ['configuration'] : [],
    retry: isThere(last.ended_at) ? { by: 'nobody_yet', jobId: null } : null,
  }).words;
}

/** To the second, as people read it; what is no time stands as it is. */
const momentText = (at: string): string => at.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/, '$1 $2');

const HOW_TO_CHECK = [
  'This page is for reading. What proves it is the signed bundle that belongs to it, a file that ends in .bundle.json, with',
  'the public key of the hub, which you should have from elsewhere. On any machine, without the hub:',
].join(' ');
const WHAT_IS_CHECKED = [
  'That checks the signature; that the digest above is that of the configuration below; and that every vote, approval and row',
  'shown here stands in the audit that the hub has signed.',
].join(' ');

/** The first screen. `proof` says in words what was checked when the page was made. */
export function bundleSummary(predicate: JsonObject, digest: string, proof: string): string {
  const rows = stepsOf(predicate, digest).map(({ step, people, at, note }) => [
    LET_RUN_WORDS[step],
    people.map((person) => personText({ ...person })).join('; ') || (step === 'ran' ? '–' : 'nobody'),
    at === null ? '–' : momentText(at),
    note ?? '',
  ]);
  const commit = object(object(predicate.facts).commit);
  const what: (readonly [string, Json])[] = [
    ['digest of what ran', digest],
    ['commit', words(commit.sha)],
    ['where it stands', standingOf(predicate)],
  ];
  return [
    section('Who let this run', table(['step', 'who', 'when (UTC)', 'how, and under which rule'], rows)),
    section('What exactly', facts(what)),
    section(
      'How to verify this',
      `<p>${HOW_TO_CHECK}</p><pre>holdpoint audit verify FILE.bundle.json --key HUB.pem</pre><p>${WHAT_IS_CHECKED}</p><p>${escapeHtml(proof)}</p>`,
    ),
  ].join('');
}
