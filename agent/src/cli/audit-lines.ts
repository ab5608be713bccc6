import { eventWords } from '../domain/audit-events.ts';
import { printable } from '../domain/printable.ts';
import type { AuditRow } from '../wire/audit.ts';
import { minute } from './render.ts';

function aboutText({ hold, review, approval, deployment }: AuditRow): string {
  return Object.entries({ hold, deployment, review, approval })
    .filter(([, id]) => typeof id === 'number')
    .map(([name, id]) => `${name} ${id}`)
    .join(', ');
}

/** What a row without a hold is about: a job that came past the gateway has none. */
function jobText({ hold, detail }: AuditRow): string {
  if (typeof hold === 'number' || typeof detail.job_id !== 'number') return '';
  return [`job ${detail.job_id}`, ...(typeof detail.refusal === 'string' ? [detail.refusal] : [])].join(', ');
}

/** A row on one line, as in a list: number, time, event, who from where, what it is about. */
export function rowLine(row: AuditRow): string {
  const from = row.address === null ? '' : ` from ${row.address}`;
  const about = [aboutText(row), jobText(row)].filter((part) => part !== '').join(', ');
  return printable(`${row.seq}  ${minute(row.at)}  ${row.event}  ${row.actor}${from}  ${about}`).trimEnd();
}

/** Members of a detail that are told in a timeline: why, and what was said. */
const TOLD = ['reason', 'comment', 'from', 'to', 'self_approval', 'names', 'job_id', 'lifetime', 'scope'] as const;

function detailText(detail: AuditRow['detail']): string {
  return TOLD.filter((name) => detail[name] !== undefined && detail[name] !== null)
    .map((name) => `${name} ${typeof detail[name] === 'string' ? detail[name] : JSON.stringify(detail[name])}`)
    .join(', ');
}

/** A row as a sentence of a timeline; an event that nobody here knows is told by its name. */
export function timelineLine(row: AuditRow): string {
  const from = [row.address, row.client ?? null].filter((part) => part !== null).join(', ');
  const parts = [aboutText(row), detailText(row.detail), from === '' ? '' : `from ${from}`, `row ${row.seq}`];
  const told = parts.filter((part) => part !== '').join('; ');
  return printable(`${minute(row.at)}  ${row.actor} ${eventWords(row.event)} (${told})`);
}
