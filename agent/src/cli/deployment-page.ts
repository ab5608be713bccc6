import { printable } from '../domain/printable.ts';
import type { DeploymentDetail, DeploymentView } from '../wire/deployments.ts';
import { personText } from './hold-page.ts';
import { age, fields, minute, names, type Paint, shortRef, table } from './render.ts';

const WAITS = {
  configuration: 'its configuration has to be approved',
  approvals: 'approvals are missing',
  start: 'somebody with deploy access has to run it',
} as const;

/** The table of Deployments; 80 columns are enough for it. */
export function deploymentsTable(deployments: readonly DeploymentView[], now: number, columns: number): string {
  const rows = deployments.map((one) => [
    String(one.id),
    one.state,
    age(now - Date.parse(one.created_at)),
    one.environment.name,
    `${one.project_path ?? one.project_id} ${one.job}`,
    shortRef(one.ref),
    one.trigger.username ?? (one.trigger.id === null ? '?' : `user ${one.trigger.id}`),
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

function rulesText({ rules, quorum }: DeploymentDetail): string {
  if (rules.length === 0) return "Nobody's approval is asked for: whoever may deploy runs it.\n";
  const lines = rules.map((rule) => {
    const voted = rule.voted.length === 0 ? '' : `: ${names(rule.voted.map(personText), 5)}`;
    const open =
      rule.have >= rule.need || rule.eligible.length === 0 ? '' : `; could: ${names(rule.eligible.map(personText), 5)}`;
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
  const over = of.finished_at !== null || of.state === 'running';
  if (over) return `\nNothing to decide: the deployment is ${of.state}.\n`;
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
  const waits = of.waits_for.map((what) => WAITS[what]).join('; ');
  const head = fields([
    ['environment', `${of.environment.name}${of.environment.tier === null ? '' : ` (${of.environment.tier})`}`],
    ['waits for', waits === '' ? null : waits],
    ['reason', of.reason],
    ['job', `${of.project_path ?? of.project_id} ${of.job}, ${of.kind}`],
    ['ref', `${of.ref} (${of.ref_protected ? 'protected' : 'not protected'})`],
    ['commit', of.sha],
    ['pipeline', of.pipeline_id === null ? null : `${of.pipeline_id}, job ${of.job_id}`],
    ['triggered by', personText(of.trigger)],
    ['started by', of.started === null ? null : `${personText(of.started.by)}, ${minute(of.started.at)}`],
    ['opened', `${age(now - Date.parse(of.created_at))} ago`],
    ['protected by', of.is_protected ? of.protected_by.join(', ') : `${of.protected_by.join(', ')} (no longer)`],
    ['may deploy', `${of.deploy_access}: ${names(of.deployers.map(personText), 5) || 'nobody at present'}`],
    ['hold', `${of.hold} (${of.hold_state})`],
    ['digest', of.digest],
  ]);
  const broken =
    of.broken === null
      ? ''
      : `\n${paint.warn(printable(`  ! commit marked as broken by ${personText(of.broken.by)}: ${of.broken.reason}`))}\n`;
  return [
    `${paint.strong(printable(`Deployment ${of.id}: ${of.state}`))}\n${head}`,
    broken,
    `\n${rulesText(of)}`,
    votesText(of),
    earlierText(of),
    ownText(of),
    `\nWhat it would run: holdpoint holds show ${of.hold}\n`,
  ].join('');
}
