import { overWords } from '../domain/approval-over.ts';
import { summarizeChanges } from '../domain/change-summary.ts';
import { type Change, diffConfigurations, SECTIONS } from '../domain/configuration-diff.ts';
import type { JsonObject } from '../domain/json.ts';
import { namesInWords } from '../domain/names.ts';
import { printable } from '../domain/printable.ts';
import { configurationOf, shownAs } from '../domain/shown-configuration.ts';
import { uncoveredWords } from '../domain/uncovered.ts';
import type { HoldDetail } from '../wire/api.ts';
import { hiddenText, shownValue, takenInText, writersText } from './hold-facts.ts';
import { rulesText } from './hold-rules.ts';
import { personText } from './person-text.ts';
import { age, fields, minute, type Paint } from './render.ts';

/** The nearest approved configuration, which the Hold's is compared with. */
export interface Baseline {
  readonly approval: number;
  readonly digest: string;
  /** As the hub shows it; null when this person may not see it. */
  readonly configuration: unknown;
  /** When and by whom, in words; empty when this person may not see it. */
  readonly about: string;
}

/** A Hold as a page of text. */
export interface HoldPage {
  readonly text: string;
  /** False when the configuration shown does not have the digest: then nothing on the page may be approved. */
  readonly sound: boolean;
}

/** Rows of the not-covered box that are shown unless all are asked for; the digest's own row count is always told. */
const NOT_COVERED_ROWS = 30;

/** What a text looks like beside a `-` or `+`: one line of the page per line of the value, each made printable (T33). */
function valueLines(sign: string, path: string, value: string, colour: (text: string) => string): string {
  const [first = '', ...rest] = value.split('\n');
  const head = `  ${sign} ${printable(path)}: ${printable(first)}`;
  return [head, ...rest.map((line) => `  ${sign}     ${printable(line)}`)].map((line) => `${colour(line)}\n`).join('');
}

function changeText(change: Change, paint: Paint): string {
  const { before, after, path } = change;
  const lines =
    (before === null ? '' : valueLines('-', path, before, paint.removed)) +
    (after === null ? '' : valueLines('+', path, after, paint.added));
  // Text that differs only in what cannot be seen is told in words, not left to the eye.
  const alike = before !== null && after !== null && printable(before) === printable(after);
  const plain = lines === '' || alike;
  return plain ? `${lines}  * ${printable(change.words)}\n` : lines;
}

/** Every difference, by section, as `-` and `+` lines; nothing is folded away. */
export function changesText(changes: readonly Change[], paint: Paint): string {
  return SECTIONS.map((section) => {
    const own = changes.filter((change) => change.section === section);
    if (own.length === 0) return '';
    return `${paint.strong(section)}\n${own.map((change) => changeText(change, paint)).join('')}`;
  }).join('');
}

const WAITS: Readonly<Record<HoldDetail['waits_for'][number], string>> = {
  watcher: 'somebody else who may approve it and watches it live',
  configuration: 'an approve of its configuration',
  approvals: 'approvals of its deployment',
  start: 'somebody who may deploy and runs it',
};

/** Who watches it, who had it stopped, and what was recorded; null where nothing of that is so. */
function watchingText({ watching, id }: HoldDetail): string | null {
  if (watching === null) return null;
  const { recordings, stopped, four_eyes_live: live, needed, watching: people, could_watch: could } = watching;
  const [last] = recordings.slice(-1);
  const parts = [
    ...(live === 'required'
      ? [
          `four eyes live: ${people.length} of ${needed} there${people.length > 0 ? ` (${people.map(personText).join(', ')})` : ''}`,
          ...(people.length < needed
            ? [
                `who can: ${namesInWords(could.map(personText)) || 'nobody at present'} ("holdpoint holds watch ${id} --live")`,
              ]
            : []),
        ]
      : []),
    ...(watching.recording === 'off' ? [] : [watching.recording === 'required' ? 'has to be recorded' : 'is recorded']),
    ...(stopped === null ? [] : [`stopped by ${stopped.by ?? 'the hub'} on ${minute(stopped.at)}: ${stopped.reason}`]),
    ...(last?.state === 'ended'
      ? [
          `recording: "holdpoint holds recording ${id} -o FILE"${last.problem === null ? '' : ` (not whole: ${last.problem})`}`,
        ]
      : []),
  ];
  return parts.join('; ') || null;
}

/** Loud, and before anything else: nobody approved what ran here (T34). */
function glassText({ break_glass: glasses }: HoldDetail): string {
  return glasses
    .map((glass) => {
      const { closed } = glass;
      const found =
        closed === null
          ? `${glass.state === 'overdue' ? 'OVERDUE: ' : ''}somebody else has to look at it by ${minute(glass.review_by)}: holdpoint break-glass close ${glass.id}`
          : `${closed.by.username} found it ${closed.finding.replace('_', ' ')}: ${closed.comment}`;
      return [
        '!! NOBODY APPROVED THIS RUN: the glass was broken for it',
        `!! by ${glass.person.username} (${glass.rule}) on ${minute(glass.at)}${glass.frozen ? ', during a freeze' : ''}: ${glass.reason}`,
        `!! ${found}`,
        '',
      ]
        .map((line) => `${printable(line)}\n`)
        .join('');
    })
    .join('');
}

function headText(hold: HoldDetail, now: number): string {
  const { facts } = hold;
  const commit = [facts.commit.sha.slice(0, 12), facts.commit.title && `"${facts.commit.title}"`, facts.commit.author]
    .filter((part) => part !== null && part !== '')
    .join(' ');
  const environment = facts.environment;
  const confirmed = environment?.verified === true ? '' : ' (GitLab did not confirm it)';
  const since: Record<HoldDetail['trigger']['verified'], string> = {
    gitlab: 'as GitLab says',
    payload: "as the job's payload says",
    unverified: 'unverified: a variable says so',
  };
  const attempt = hold.attempt
    ? `job ${hold.attempt.job_id} at ${hold.attempt.agent}${hold.attempt.parked_until ? `, kept running for GitLab until ${minute(hold.attempt.parked_until)}` : ''}`
    : hold.ended_at === null
      ? 'none at present'
      : null;
  return fields([
    ['job', `${hold.job}${hold.stage ? ` (stage ${hold.stage})` : ''}`],
    ['project', `${hold.project_path ?? hold.project_id} on ${hold.instance}`],
    [
      'ref',
      `${hold.ref} (${hold.ref_protected ? 'protected' : 'not protected: anybody who may push decides what is in it'})`,
    ],
    ['commit', commit],
    [
      'pipeline',
      [
        hold.pipeline_id,
        facts.pipeline.source && `(${facts.pipeline.source}${facts.pipeline.verified ? '' : ', as a variable says'})`,
      ]
        .filter(Boolean)
        .join(' ') || null,
    ],
    [
      'environment',
      environment ? `${environment.name}${environment.tier ? `, tier ${environment.tier}` : ''}${confirmed}` : null,
    ],
    ['waits for', hold.waits_for.length === 0 ? null : hold.waits_for.map((what) => WAITS[what]).join('; ')],
    [
      'deployment',
      hold.deployment === null
        ? null
        : `${hold.deployment.id}, ${hold.deployment.state}: "holdpoint deployments show ${hold.deployment.id}"`,
    ],
    ['watching', watchingText(hold)],
    ['runner', hold.runner],
    [
      'triggered by',
      `${personText(hold.trigger)}, ${since[hold.trigger.verified]}${facts.roles.length > 0 ? `; there ${facts.roles.at(-1)}` : ''}`,
    ],
    ['written by', writersText(facts.commit)],
    ['opened', `${minute(hold.opened_at)}, ${age(now - Date.parse(hold.opened_at))} ago`],
    ['expires', hold.ended_at === null ? minute(hold.expires_at) : null],
    ['ended', hold.ended_at === null ? null : minute(hold.ended_at)],
    ['attempt', attempt],
    ['to be done', hold.retry?.words ?? null],
    ['retry page', hold.retry?.by === 'trigger' ? hold.retry.url : null],
    ['reason', hold.reason],
    ...hold.keeps.map((words): [string, string] => ['kept back', words]),
    ['job page', hold.job_url],
    ['this hold', hold.url],
    ['digest', hold.digest],
  ]);
}

function warningsText(hold: HoldDetail, paint: Paint): string {
  const { behaviour, warnings } = hold.facts;
  const configuration = configurationOf(hold.configuration);
  const lines = [
    ...hold.unknown.map((what) => `nobody could tell ${what}: every rule asks for one more person`),
    ...hiddenText(hold),
    ...behaviour.map((name) => `${name} changes how the runner or a shell behaves${shownValue(configuration, name)}`),
    ...warnings,
  ];
  if (lines.length === 0) return '';
  return `\nWarnings\n${lines.map((line) => `${paint.warn(`  ! ${printable(line)}`)}\n`).join('')}`;
}

function notCoveredText(hold: HoldDetail, configuration: JsonObject | null, all: boolean): string {
  const rows = hold.facts.not_covered;
  const shown = all ? rows : rows.slice(0, NOT_COVERED_ROWS);
  const lines = shown.map(
    (row) => `  ${printable(`${row.path}${row.value === null ? '' : ` = ${row.value}`} (${row.reason})`)}\n`,
  );
  const rest =
    rows.length > shown.length
      ? `  and ${rows.length - shown.length} more: "holdpoint holds show ${hold.id} --all"\n`
      : '';
  const never = uncoveredWords(configuration ?? {}).map((words) => `  ${printable(words)}\n`);
  return `\nNot covered by the digest\n${never.join('')}${lines.join('')}${rest}`;
}

function historyText(hold: HoldDetail): string {
  if (hold.history.length === 0) return '';
  const lines = hold.history.map((row) => `  ${minute(row.at)}  ${printable(`${row.event}  ${row.actor}`)}\n`);
  return `\nHistory\n${lines.join('')}`;
}

/** How a Hold differs from what was approved. */
type Comparison =
  | { readonly ok: true; readonly changes: readonly Change[]; readonly verdict: string; readonly note: string }
  | { readonly ok: false; readonly words: string };

/**
 * The difference, computed here from configurations whose digests were computed here: what is shown is what the digest
 * in the approve line covers, whatever the hub says beside it (T13, T23, T36). Where values are hidden from this person,
 * who then may not vote, both sides look alike here, and the hub's own difference is shown.
 */
function compare(hold: HoldDetail, baseline: Baseline | null): Comparison {
  const own = shownAs(hold.configuration, hold.digest);
  if (own.kind === 'wrong') {
    const words = 'DO NOT APPROVE: the configuration that the hub shows does not have the digest it names.';
    return { ok: false, words };
  }
  const base = baseline && baseline.configuration !== null ? shownAs(baseline.configuration, baseline.digest) : null;
  if (base?.kind === 'wrong') {
    const words = `DO NOT APPROVE: what the hub shows as approval ${baseline?.approval} does not have the digest it names.`;
    return { ok: false, words };
  }
  const local = own.kind === 'checked' && (baseline === null || base?.kind === 'checked');
  const before = base?.configuration ?? null;
  const changes = local ? diffConfigurations(before, own.configuration) : hold.diff.changes;
  const summary = local ? summarizeChanges(changes, before, own.configuration) : hold.diff.summary;
  const verdict = verdictText(hold, baseline, summary);
  const note = local ? '' : 'The difference is as the hub tells it: some values are hidden from you.\n';
  return { ok: true, changes, verdict, note };
}

/** What the reader has to know before the difference; that an approval is over comes first (T29). */
function verdictText(hold: HoldDetail, baseline: Baseline | null, summary: string): string {
  if (baseline === null) return `Nothing was ever approved for this job here. ${summary}`;
  const { over } = hold.diff;
  const approved = `approval ${baseline.approval}${baseline.about}`;
  const by = over?.by == null ? null : personText(over.by);
  const end = over && overWords({ kind: over.kind, day: over.at?.slice(0, 10) ?? null, by, reason: over.reason });
  if (baseline.digest !== hold.digest)
    return `${end === null ? '' : `What it is compared with ${end}; it lets nothing run any more. `}Compared with ${approved}: ${summary}`;
  return end === null
    ? `The same configuration as ${approved}, which does not reach this ref, environment or time.`
    : `Exactly this configuration was approved (${approved}), and that approval ${end}. It lets nothing run any more.`;
}

function decisionText(hold: HoldDetail): string {
  if (hold.state !== 'waiting_for_approval') return `Nothing to decide: the Hold is ${hold.state}.\n`;
  if (hold.deployment !== null && !hold.waits_for.includes('configuration'))
    return `Its configuration is approved. What is left is its deployment:\n  holdpoint deployments show ${hold.deployment.id}\n`;
  const checked = shownAs(hold.configuration, hold.digest).kind === 'checked';
  const approve = checked
    ? `To approve exactly this configuration:\n  holdpoint approve ${hold.id} --digest ${hold.digest}\n`
    : 'Not to be approved from here: the digest cannot be computed from what is shown to you.\n';
  const scope = checked
    ? `It then may run, until revoked or over, with:\n${hold.scope.words.map((line) => `  ${printable(line)}\n`).join('')}  Otherwise: --scope inputs=… (at most ${hold.scope.max_inputs}), --scope ref=… (at most ${hold.scope.max_ref}), --scope runners=…\n`
    : '';
  return `${approve}${scope}To reject it:\n  holdpoint reject ${hold.id} --comment WHY\n`;
}

/** A Hold as people decide on it: what changed first, then who may decide, what is not covered, and how to decide. */
export function holdPage(
  hold: HoldDetail,
  baseline: Baseline | null,
  now: number,
  paint: Paint,
  all: boolean,
): HoldPage {
  const head = `${paint.strong(printable(`Hold ${hold.id}: ${hold.state}`))}\n${glassText(hold)}${headText(hold, now)}`;
  const comparison = compare(hold, baseline);
  if (!comparison.ok) return { text: `${head}\n${paint.warn(comparison.words)}\n`, sound: false };
  const text = [
    head,
    `\n${printable(comparison.verdict)}\n${comparison.note}`,
    comparison.changes.length > 0 ? `\n${changesText(comparison.changes, paint)}` : '',
    warningsText(hold, paint),
    takenInText(hold),
    `\n${rulesText(hold)}`,
    notCoveredText(hold, configurationOf(hold.configuration), all),
    historyText(hold),
    `\n${decisionText(hold)}`,
  ].join('');
  return { text, sound: true };
}
