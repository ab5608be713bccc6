import type { AuditEntry } from '../domain/audit.ts';
import { AUDIT_EVENTS, type AuditKind } from '../domain/audit-events.ts';
import type { Log } from '../ports/log.ts';

/** Kinds of events that decide whether something runs; what merely follows from them stands in the audit alone. */
const DECIDED: ReadonlySet<AuditKind> = new Set([
  'voted',
  'withdrawn',
  'approved',
  'tolerated',
  'released',
  'refused',
  'revoked',
  'break_glass',
  'exception_used',
]);
/** Decisions among events of other kinds. */
const ALSO: readonly string[] = ['hold_opened', 'job_joined', 'hold_rejected', 'hold_expired', 'hold_canceled'];

/** One line for each decision that is in the store for good: of what, which digest, by whom, what came of it, from which request. */
export function logDecision(log: Log, entry: AuditEntry): void {
  const { event, actor, hold, review, approval, deployment, digest, request } = entry;
  const known = Object.hasOwn(AUDIT_EVENTS, event) ? AUDIT_EVENTS[event as keyof typeof AUDIT_EVENTS] : null;
  if (known === null || !(DECIDED.has(known.kind) || ALSO.includes(event))) return;
  const about = { hold, review, approval, deployment, digest, request };
  const said = Object.fromEntries(Object.entries(about).filter(([, value]) => value != null));
  log.info({ outcome: event, actor, ...said }, 'decision');
}
