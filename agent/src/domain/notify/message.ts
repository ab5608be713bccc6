import { printable } from '../printable.ts';
import { NOTICES, type Notice } from './notice.ts';

/**
 * A piece of a message: the program's own words, or `said`, a text that somebody else chose (a job's name, a ref, a comment).
 * Each channel writes what was said so that it can be nothing but text there: no link, no mention, no mark-up (T23, T33).
 */
export type Piece = string | { readonly said: string };
/** One line of a message. */
export type Line = readonly Piece[];
/** A message before it is written for a channel. */
export interface Message {
  /** Without a place: that stands in `about`. */
  readonly title: string;
  readonly about: Line;
  readonly lines: readonly Line[];
  /** Address of the page on which it is decided: a page to be looked at, never one that decides by being opened (T23). */
  readonly url: string;
  readonly urlWords: string;
}

/** More of a text that somebody chose than this is noise in a message; the page has all of it. */
const MAX_SAID_CHARS = 300;

/** What somebody chose, on one line, without anything that hides or reorders, and not too long. */
export function said(text: string): Piece {
  const line = printable(text);
  return { said: line.length > MAX_SAID_CHARS ? `${line.slice(0, MAX_SAID_CHARS)} …` : line };
}

/** The text of a piece without any mark-up. */
export function plain(piece: Piece): string {
  return typeof piece === 'string' ? piece : piece.said;
}

/** A moment in UTC, as people read it. */
export function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function aboutOf({ job, project, environment, ref }: Notice): Line {
  if (job === null) return project === null ? [] : ['project ', said(project.path ?? String(project.id))];
  return [
    'job ',
    said(job),
    ...(project === null ? [] : [' of ', said(project.path ?? `project ${project.id}`)]),
    ...(ref === null ? [] : [' on ', said(ref)]),
    ...(environment === null ? [] : [', environment ', said(environment)]),
  ];
}

function peopleLine(words: string, names: readonly string[]): Line {
  return [words, ...names.flatMap((name, i): Line => [i === 0 ? '' : ', ', said(name)])];
}

/** More names than these nobody reads. */
const MAX_NAMES = 10;

function linesOf(notice: Notice): readonly Line[] {
  const { trigger, by, reason, changes, needs, helpers, expiresAt, event } = notice;
  const triggered = trigger?.username ?? (trigger?.id == null ? null : `user ${trigger.id}`);
  const asks = event === 'hold_parked' || (NOTICES[event].to as readonly string[]).includes('approvers');
  const more = helpers.length > MAX_NAMES ? ` and ${helpers.length - MAX_NAMES} more` : '';
  return [
    ...(by === null || by === 'system' ? [] : [['By: ', said(by)]]),
    ...(reason === null ? [] : [['Why: ', said(reason)]]),
    ...(triggered === null ? [] : [['Triggered by: ', said(triggered)]]),
    ...(changes === null ? [] : [['Changed: ', said(changes)]]),
    ...(asks && needs !== null ? [['Needed: ', said(needs)]] : []),
    ...(asks && notice.project !== null
      ? [
          helpers.length === 0
            ? ['Who can help: nobody at present; the page says who can change that']
            : [...peopleLine('Who can help: ', helpers.slice(0, MAX_NAMES)), more],
        ]
      : []),
    ...(expiresAt === null ? [] : [[`Ends without a decision: ${moment(expiresAt)}`]]),
  ];
}

function urlWordsOf({ hold, review, path }: Notice): string {
  if (path.startsWith('/holds/') && hold !== null) return `Open hold ${hold}`;
  if (path.startsWith('/reviews/') && review !== null) return `Open review ${review}`;
  return 'Open Holdpoint';
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A notice in words; `base` is the origin of the hub in links for people. */
export function messageOf(notice: Notice, base: string): Message {
  return {
    title: capital(NOTICES[notice.event].words),
    about: aboutOf(notice),
    lines: linesOf(notice),
    url: `${base}${notice.path}`,
    urlWords: urlWordsOf(notice),
  };
}
