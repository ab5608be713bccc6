/** How urgent it is, in ascending order; `action`: somebody has to do something. */
export const SEVERITIES = ['info', 'action', 'warning', 'critical'] as const;
/** One of the severities. */
export type Severity = (typeof SEVERITIES)[number];

/** True for what is as urgent as `least`, or more. */
export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}

/** Why somebody is told: they can still help, they triggered it, or it is their own token. */
export const AUDIENCES = ['approvers', 'trigger', 'owner'] as const;
/** One of the audiences. */
export type Audience = (typeof AUDIENCES)[number];

interface NoticeKind {
  readonly severity: Severity;
  /** Who is told by name; nobody: it goes to channels that are not a person's. */
  readonly to: readonly Audience[];
  /** Events of the audit that it is made of; none: time makes it. */
  readonly from: readonly string[];
  /** What happened, for the reference page and the heading of a message. */
  readonly words: string;
}
const kind = (severity: Severity, to: readonly Audience[], words: string, ...from: readonly string[]): NoticeKind => ({
  severity,
  to,
  from,
  words,
});

/** Everything that people can be told: the closed table. */
export const NOTICES = {
  hold_parked: kind('info', ['trigger'], 'a job waits for approval', 'hold_opened'),
  review_opened: kind('action', ['approvers'], 'an approval is wanted', 'review_opened'),
  review_lacks: kind('action', ['approvers'], 'one more approval is wanted', 'vote_approve', 'deployment_vote_approve'),
  help_asked: kind('action', ['approvers'], 'somebody asks for a decision', 'help_asked'),
  review_approved: kind('info', ['trigger'], 'a job was approved', 'review_closed'),
  review_rejected: kind('warning', ['trigger'], 'a job was rejected', 'review_closed'),
  review_expired: kind('warning', ['trigger'], 'nobody decided in time', 'review_closed'),
  hold_expiring: kind('action', ['approvers', 'trigger'], 'a job expires soon if nobody decides'),
  waits_long: kind('warning', ['approvers'], 'something waits for too long'),
  job_detached: kind('warning', ['trigger'], 'GitLab ended a job that waits; the hold waits on', 'job_detached'),
  job_retried: kind('info', ['trigger'], 'an approved job runs again', 'job_retried'),
  job_stopped: kind('warning', ['trigger'], 'a job was stopped while it ran', 'job_stopped'),
  watcher_wanted: kind(
    'action',
    ['approvers'],
    'an approved job waits for somebody who watches it',
    'hold_opened',
    'configuration_passed',
    'hold_unwatched',
    'job_joined',
    'deployment_approved',
    'deployment_run',
  ),
  deployment_waits: kind('action', ['approvers'], 'a deployment waits for approval', 'deployment_created'),
  deployment_approved: kind('info', ['trigger'], 'a deployment is approved', 'deployment_approved'),
  deployment_start_wanted: kind(
    'action',
    ['approvers'],
    'a deployment is approved and waits to be started',
    'deployment_approved',
  ),
  deployment_rejected: kind('warning', ['trigger'], 'a deployment was rejected', 'deployment_rejected'),
  deployment_started: kind('info', ['trigger'], 'a deployment has started', 'deployment_running'),
  deployment_failed: kind('warning', ['trigger'], 'a deployment has failed', 'deployment_ended'),
  approval_revoked: kind('warning', [], 'an approval was revoked', 'approval_revoked'),
  exception_used: kind('warning', [], 'somebody made use of an exception to a rule', 'exception_used'),
  break_glass_used: kind('critical', [], 'something was run without its approval', 'break_glass_used'),
  break_glass_overdue: kind(
    'critical',
    [],
    'nobody has looked in time at what was run without its approval',
    'break_glass_overdue',
  ),
  receipt_refused: kind(
    'critical',
    [],
    'a job was refused on its host: it did not come through the gate, or not as it was let through',
    'receipt_refused',
  ),
  token_elsewhere: kind('info', ['owner'], 'a token was used from a new place', 'token_used'),
  token_misused: kind('critical', ['owner'], 'a token was used where none of a person belongs', 'token_flagged'),
  policy_changed: kind('info', [], 'another version of the policy is in force', 'policy_changed'),
  policy_broken: kind('critical', [], 'the policy file cannot be read as it is; the last good one stays in force'),
  agent_away: kind('critical', [], 'an agent is away: nothing new of it is approved'),
  audit_broken: kind('critical', [], 'the audit does not verify', 'audit_broken', 'audit_cut', 'store_behind'),
  hold_changed: kind(
    'info',
    [],
    'a hold has moved on; for programs alone, no mail and no chat is sent of it',
    'hold_released',
    'hold_fell_back',
    'approval_gone',
    'hold_frozen',
    'hold_thawed',
    'hold_blocked',
    'hold_unwatched',
    'hold_canceled',
    'hold_expired',
    'hold_rejected',
    'job_handed_out',
    'job_undelivered',
    'job_unconfirmed',
    'job_ended',
    'job_canceled',
  ),
  test: kind('info', [], 'a test of a channel'),
} as const satisfies Record<string, NoticeKind>;
/** Name of something that people can be told. */
export type NoticeEvent = keyof typeof NOTICES;
/** All of them, in the order of the table. */
export const NOTICE_EVENTS = Object.keys(NOTICES) as readonly NoticeEvent[];

/** What is kept of the table for one event, its lists as plain lists. */
export function noticeKind(event: NoticeEvent): NoticeKind {
  return NOTICES[event];
}

/**
 * One thing that people are told, as it was when it happened. Never a value, a script line, a token or a digest's content:
 * what a job would do is told in counts and names of fields (T32). Texts that others chose are marked as such by whoever
 * writes them out, channel by channel.
 */
export interface Notice {
  /** The same for the same thing, whenever and however often it is sent: `audit-120`, `expiring-12-1764000000000`. */
  readonly key: string;
  readonly event: NoticeEvent;
  readonly severity: Severity;
  /** Epoch ms. */
  readonly at: number;
  readonly project: { readonly id: number; readonly path: string | null } | null;
  readonly job: string | null;
  readonly ref: string | null;
  readonly refProtected: boolean;
  readonly environment: string | null;
  readonly pipelineId: number | null;
  readonly hold: number | null;
  readonly review: number | null;
  readonly approval: number | null;
  readonly deployment: number | null;
  readonly trigger: { readonly id: number | null; readonly username: string | null } | null;
  /** Who did it: a user name, or `system`. */
  readonly by: string | null;
  /** Why, as whoever did it wrote it, or as the program says it. */
  readonly reason: string | null;
  /** How the configuration differs, in counts and names of fields. */
  readonly changes: string | null;
  /** The rules in words. */
  readonly needs: string | null;
  /** User names of people who can still help. */
  readonly helpers: readonly string[];
  /** When it ends by itself (epoch ms). */
  readonly expiresAt: number | null;
  /** Path of the page on which it is decided or looked at. */
  readonly path: string;
}

/** What a notice says of itself where nothing is known. */
export const BLANK = {
  project: null,
  job: null,
  ref: null,
  refProtected: false,
  environment: null,
  pipelineId: null,
  hold: null,
  review: null,
  approval: null,
  deployment: null,
  trigger: null,
  by: null,
  reason: null,
  changes: null,
  needs: null,
  helpers: [],
  expiresAt: null,
  path: '/inbox',
} as const satisfies Omit<Notice, 'key' | 'event' | 'severity' | 'at'>;

/** A notice of an event; what is not given is not known. */
export function noticeOf(
  key: string,
  event: NoticeEvent,
  at: number,
  about: Partial<Omit<Notice, 'key' | 'event' | 'at' | 'severity'>> = {},
): Notice {
  return { key, event, severity: NOTICES[event].severity, at, ...BLANK, ...about };
}
