import { nothingLeft } from '../domain/may-deploy.ts';
import { namesInWords } from '../domain/names.ts';
import { type KnownPerson, personWords } from '../domain/person-words.ts';
import { printable } from '../domain/printable.ts';
import { LET_RUN_WORDS } from '../domain/who-let-run.ts';
import type { CurrentDeployment, DeploymentDetail, DeploymentView } from '../wire/deployments.ts';
import { standingOf } from '../wire/standing-of.ts';
import { personText } from './person-text.ts';
import { age, fields, minute, type Paint, shortRef, table } from './render.ts';

/** The table of Deployments; 80 columns are enough for it. */
export function deploymentsTable(deployments: readonly DeploymentView[], now: number, columns: number): string {
  const rows = deployments.map((one) => [
    String(one.id),
    one.state,
    age(now - Date.parse(one.created_at)),
    one.environment.name,
    `${one.project_path ?? one.project_id} ${one.job}`,
    shortRef(one.ref),
    accountText(one.trigger),
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'AGE', right: true },
    { title: 'ENVIRONMENT', least: 10 },
    { title: 'JOB', least: 12 },
    { title: 'REF', least: 6 },
    { title: 'BY', least: 6 },
  ];
  return table(heads, rows, columns);
}

/** The table of what runs where now; 80 columns are enough for it. */
export function currentTable(current: readonly CurrentDeployment[], now: number, columns: number): string {
  const rows = current.map((one) => [
    one.environment.name,
    `${one.project_path ?? one.project_id} ${one.job}`,
    one.stopped ? 'stopped' : one.sha.slice(0, 12),
    `${age(now - Date.parse(one.since))} ago`,
    String(one.id),
    [...new Set([...one.approved_by.configuration, ...one.approved_by.deployment].map(accountText))].join(' ') || '-',
  ]);
  const heads = [
    { title: 'ENVIRONMENT', least: 10 },
    { title: 'JOB', least: 12 },
    { title: 'COMMIT' },
    { title: 'SINCE', right: true },
    { title: 'DEPLOYMENT', right: true },
    { title: 'APPROVED BY', least: 6 },
  ];
  return table(heads, rows, columns);
}

const accountText = ({ id, username }: KnownPerson): string => username ?? (id === null ? '?' : `user ${id}`);

/** Who let it run, or has to: one line for each step. */
function letRunText({ let_run: steps }: DeploymentDetail): string {
  const lines = steps.map(({ step, people, at, note }) => {
    const by = people.map(personWords).join(', ') || (step === 'ran' ? '' : 'nobody');
    const parts = [by, at === null ? '' : minute(at), note ?? ''].filter((part) => part !== '');
    return `  ${LET_RUN_WORDS[step]} ${parts.join('; ')}`;
  });
  return `\nWho let this run\n${lines.map((line) => `${printable(line)}\n`).join('')}`;
}

function rulesText({ rules, quorum }: DeploymentDetail): string {
  if (rules.length === 0) return "Nobody's approval is asked for: whoever may deploy runs it.\n";
  const lines = rules.map((rule) => {
    const voted = rule.voted.length === 0 ? '' : `: ${namesInWords(rule.voted.map(personText))}`;
    const could = namesInWords(rule.eligible.map(personText), { total: rule.eligible_count });
    const open = rule.have >= rule.need || could === '' ? '' : `; can help: ${could}`;
    return `  ${rule.have} of ${rule.need}  ${rule.name} (${rule.who})${voted}${open}`;
  });
  const all = quorum === null ? lines : [...lines, `  ${quorum.words}`];
  return `Approvals\n${all.map((line) => `${printable(line)}\n`).join('')}`;
}

function votesText({ votes }: DeploymentDetail): string {
  if (votes.length === 0) return '';
  const lines = votes.map((vote) => {
    const as = vote.represented_as === null ? '' : ` as ${vote.represented_as}`;
    const said = `${vote.decision}  ${personText(vote.person)}${as}, ${minute(vote.at)}`;
    return `  ${said}${vote.comment === null ? '' : `: ${vote.comment}`}`;
  });
  return `\nVotes\n${lines.map((line) => `${printable(line)}\n`).join('')}`;
}

function earlierText({ earlier }: DeploymentDetail): string {
  if (earlier.length === 0) return '';
  const lines = earlier.map(
    (one) => `  ${one.id}  ${one.state}  ${minute(one.created_at)}  ${one.sha.slice(0, 12)}  ${shortRef(one.ref)}`,
  );
  return `\nEarlier, of the same job to the same environment\n${lines.map((line) => `${printable(line)}\n`).join('')}`;
}

/** What the reader may do, or why not. */
function ownText(of: DeploymentDetail): string {
  const left = nothingLeft(of.state);
  if (left !== null) return `\nNothing to decide: ${left}.\n`;
  const line = (what: string, may: { allowed: boolean; reason: string | null }, command: string) =>
    may.allowed ? `  ${command}\n` : `  you may not ${what}: ${printable(may.reason ?? 'the hub gives no reason')}\n`;
  return [
    '\nWhat you may do\n',
    line('approve it', of.may_approve, `holdpoint deployments approve ${of.id}`),
    line('reject it', of.may_reject, `holdpoint deployments reject ${of.id} --comment WHY`),
    line('run it', of.may_run, `holdpoint deployments run ${of.id}`),
  ].join('');
}

/** A Deployment as people decide on it. */
export function deploymentPage(of: DeploymentDetail, now: number, paint: Paint): string {
  const head = fields([
    ['environment', `${of.environment.name}${of.environment.tier === null ? '' : ` (${of.environment.tier})`}`],
    ['stands', standingOf(of).words],
    ['reason', of.reason],
    ['job', `${of.project_path ?? of.project_id} ${of.job}, ${of.kind}`],
    ['ref', `${of.ref} (${of.ref_protected ? 'protected' : 'not protected'})`],
    ['commit', of.sha],
    ['pipeline', of.pipeline_id === null ? null : `${of.pipeline_id}, job ${of.job_id}`],
    ['opened', `${age(now - Date.parse(of.created_at))} ago`],
    ['protected by', of.is_protected ? of.protected_by.join(', ') : `${of.protected_by.join(', ')} (no longer)`],
    [
      nothingLeft(of.state) === null ? 'may deploy' : 'could deploy',
      `${of.deploy_access}: ${namesInWords(of.deployers.map(personText)) || 'nobody at present'}`,
    ],
    ['hold', `${of.hold} (${of.hold_state})`],
    ['digest', of.digest],
  ]);
  const broken =
    of.broken === null
      ? ''
      : `\n${paint.warn(printable(`  ! commit marked as broken by ${personText(of.broken.by)}: ${of.broken.reason}`))}\n`;
  return [
    `${paint.strong(printable(`Deployment ${of.id}: ${standingOf(of).short}`))}\n${head}`,
    letRunText(of),
    broken,
    `\n${rulesText(of)}`,
    votesText(of),
    earlierText(of),
    ownText(of),
    `\n${nothingLeft(of.state) === null ? 'What it would run' : 'What it ran'}: holdpoint holds show ${of.hold}\n`,
  ].join('');
}
