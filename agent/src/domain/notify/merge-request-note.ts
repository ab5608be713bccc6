import type { Hold } from '../hold.ts';
import { gateWords } from '../retrying.ts';
import { moment, plain, said } from './message.ts';

/** A Hold as the note shows it. */
export interface NotedHold {
  readonly hold: Hold;
  readonly url: string;
  /** The rest for one that waits. */
  readonly helpers: readonly string[];
  readonly needs: string | null;
  readonly changes: string | null;
}

/** More jobs than these stand on the page. */
const MAX_HOLDS = 30;
const MAX_NAMES = 10;
const MARK = /^<!-- holdpoint:holds pipeline=(\d{1,15}) -->/;

/** First line of the note: it is found again by it, even where nothing else is known any more. */
export function noteMark(pipelineId: number): string {
  return `<!-- holdpoint:holds pipeline=${pipelineId} -->`;
}

/** The pipeline that a note is about; null for a note that is none of Holdpoint's. */
export function pipelineOfNote(body: string): number | null {
  const match = MARK.exec(body);
  return match === null ? null : Number(match[1]);
}

/**
 * What somebody chose, as code: GitLab knows no link, mention, reference, quick action or HTML within it. What would end the
 * code is replaced, and it is one line (T23).
 */
function code(text: string): string {
  const line = plain(said(text)).replaceAll('`', "'");
  return `\`${line.trim() === '' ? ' ' : line}\``;
}

function linesOf({ hold, url, helpers, needs, changes }: NotedHold): readonly string[] {
  const waits = hold.state === 'waiting_for_approval';
  const state = waits && hold.frozenUntil !== null ? 'approved, kept back by a freeze' : gateWords(hold);
  const where = hold.place.environment === null ? '' : ` → ${code(hold.place.environment)}`;
  const first = `- ${code(hold.subject.job)}${where}: **${plain(said(state)).replace(/[^\p{L}\p{N} ,.:-]/gu, '')}** ([hold ${hold.id}](${url}))`;
  if (!waits || hold.frozenUntil !== null) return [first];
  const more = helpers.length > MAX_NAMES ? ` and ${helpers.length - MAX_NAMES} more` : '';
  const who =
    helpers.length === 0
      ? 'nobody at present; the page says who can change that'
      : `${helpers.slice(0, MAX_NAMES).map(code).join(', ')}${more}`;
  return [
    first,
    ...(changes === null ? [] : [`  - Changed: ${code(changes)}`]),
    ...(needs === null ? [] : [`  - Needed: ${code(needs)}`]),
    `  - Who can help: ${who}`,
    `  - Ends without a decision: ${moment(hold.expiresAt)}`,
  ];
}

/** The note of a merge request on what one pipeline waits for, in GitLab's Markdown. */
export function mergeRequestNote(pipelineId: number, noted: readonly NotedHold[], base: string): string {
  const waiting = noted.filter(({ hold }) => hold.state === 'waiting_for_approval').length;
  const shown = noted.slice(0, MAX_HOLDS);
  const rest = noted.length - shown.length;
  return [
    noteMark(pipelineId),
    `**Holdpoint**: ${waiting === 0 ? 'nothing waits for approval' : waiting === 1 ? 'one job waits for approval' : `${waiting} jobs wait for approval`} in pipeline ${pipelineId}.`,
    '',
    ...shown.flatMap(linesOf),
    ...(rest > 0 ? [`- and ${rest} more: [all of them](${base}/holds)`] : []),
    '',
    'This note is updated in place; decisions are made on the page.',
  ].join('\n');
}
