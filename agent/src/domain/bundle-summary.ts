import { escapeHtml, facts, list, object, type Part, personOf, personText, table, words } from './bundle-html.ts';
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
    deployAccess: text(of.deploy_access),
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
export const momentText = (at: string): string =>
  at.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/, '$1 $2');

/** Where the signed bundle of a page is: a file beside it, or what the hub that serves the page answers under `url`. */
export interface BundlePlace {
  readonly file: string;
  /** A path of our own API, which nobody else has a word in; null for a file. */
  readonly url: string | null;
}

function whereText({ file, url }: BundlePlace): string {
  const name = escapeHtml(file);
  const where =
    url === null
      ? `the signed bundle <code>${name}</code>, written beside it`
      : `<a href="${escapeHtml(url)}" download="${name}">the signed bundle ${name}</a>`;
  return [
    `<p>This page is for reading. What proves it is ${where}, with the public key of the hub:`,
    '<code>holdpoint audit key</code> prints it, and the hub answers it at <code>/api/v1/audit/key</code>, to anybody.',
    'A key from the hub itself proves no more than the hub says: compare its id with what you have from elsewhere, such as',
    'the log of its start. Then, on any machine, without the hub:</p>',
  ].join(' ');
}
const WHAT_IS_CHECKED = [
  'That checks the signature; that the digest above is that of the configuration below; and that every vote, approval and row',
  'shown here stands in the audit that the hub has signed.',
].join(' ');

/** The event that a step was written down by, and of what. */
const STEP_EVENTS: Readonly<Record<LetRunStep['step'], readonly string[]>> = {
  triggered: ['hold_opened', 'job_passed'],
  wrote: [],
  configuration: ['approval_created', 'approval_auto', 'break_glass_used'],
  deployment: ['deployment_approved'],
  started: ['deployment_run'],
  ran: ['job_handed_out'],
};

/** The row of the audit that tells of a step: what happened within one second is told apart by it. */
function rowOf(predicate: JsonObject, { step, at }: LetRunStep): string {
  if (at === null) return '–';
  const rows = list(object(predicate.audit).rows).map((each) => object(object(each).row));
  const told = rows.filter(({ event }) => STEP_EVENTS[step].includes(String(event)));
  // One that happened several times is the one of that time.
  const found = told.find((row) => row.at === at) ?? (told.length === 1 ? told[0] : undefined);
  return words(found?.seq);
}

/** Every version of the policy that this page names, whole; elsewhere it stands shortened. */
function policiesOf(predicate: JsonObject): readonly string[] {
  const gates = ['review', 'approval', 'deployment'].map((name) => object(predicate[name]).policy);
  const rows = list(object(predicate.audit).rows).map((each) => object(object(each).row).policy);
  return [...new Set([...gates, ...rows].filter((version) => typeof version === 'string'))];
}

/** The first screen. `proof` says in words what was checked when the page was made. */
export function bundleSummary(
  predicate: JsonObject,
  digest: string,
  { proof, place }: { readonly proof: string; readonly place: BundlePlace },
): readonly Part[] {
  const rows = stepsOf(predicate, digest).map((step) => [
    LET_RUN_WORDS[step.step],
    step.people.map((person) => personText({ ...person })).join('; ') || (step.step === 'ran' ? '–' : 'nobody'),
    step.at === null ? '–' : momentText(step.at),
    step.note ?? '',
    rowOf(predicate, step),
  ]);
  const commit = object(object(predicate.facts).commit);
  const what: (readonly [string, Json])[] = [
    ['digest of what ran', digest],
    ['commit', words(commit.sha)],
    ['where it stands', standingOf(predicate)],
    ...policiesOf(predicate).map((version) => ['policy', version] as const),
  ];
  return [
    {
      title: 'Who let this run',
      body: table(['step', 'who', 'when (UTC)', 'how, and under which rule', 'row of the audit'], rows),
    },
    { title: 'What exactly', body: facts(what) },
    {
      title: 'How to verify this',
      body: `${whereText(place)}<pre>holdpoint audit key &gt; HUB.pem\nholdpoint audit verify ${escapeHtml(place.file)} --key HUB.pem</pre><p>${WHAT_IS_CHECKED}</p><p>${escapeHtml(proof)}</p>`,
    },
  ];
}
