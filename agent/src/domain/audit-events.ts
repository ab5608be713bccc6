/**
 * What can happen, as the audit names it: the closed table of events, each with the kind that people look for and the
 * words that they read. A row may hold an event that is not in it (of a newer version): it is listed all the same.
 */

/** Kinds of events, in the order in which a job meets them; each is a word for `--event` and `?event=`. */
export const AUDIT_KINDS = [
  'parked',
  'seen',
  'voted',
  'withdrawn',
  'approved',
  'tolerated',
  'released',
  'handed_over',
  'started',
  'watched',
  'finished',
  're_run',
  'refused',
  'revoked',
  'revealed',
  'deployment',
  'policy_changed',
  'token_used',
  'token',
  'break_glass',
  'exception_used',
  'ungated',
  'told',
  'system',
] as const;
/** One of the kinds. */
export type AuditKind = (typeof AUDIT_KINDS)[number];

interface AuditEvent {
  readonly kind: AuditKind;
  /** What happened, after the name of who did it. */
  readonly words: string;
}
const event = (kind: AuditKind, words: string): AuditEvent => ({ kind, words });

/** Every event that this version writes. */
export const AUDIT_EVENTS = {
  hold_opened: event('parked', 'parked a job that waits for approval'),
  job_joined: event('parked', 'brought another job for the same hold'),
  job_parked: event('parked', 'keeps the job parked'),
  job_cancel_asked: event('finished', 'asked GitLab to cancel the job'),
  job_stopped: event('finished', 'stopped the job while it ran'),
  job_detached: event('parked', 'ended the job in GitLab; the hold waits on without it'),
  hold_fell_back: event('parked', 'sent the hold back to waiting'),
  approval_gone: event('parked', 'sent the hold back to waiting: its approval is over'),
  hold_frozen: event('parked', 'kept the hold back: it is approved, and a freeze window holds'),
  hold_thawed: event('parked', 'keeps the hold back no longer: the freeze is over, and an approval is missing'),
  hold_unwatched: event('parked', 'sent the hold back to wait for somebody who watches it'),
  review_opened: event('parked', 'put the question to people'),
  review_closed: event('finished', 'closed the question'),
  hold_seen: event('seen', 'opened the hold to decide on it'),
  deployment_seen: event('seen', 'opened the deployment to decide on it'),
  watch_began: event('watched', 'watches the job live'),
  watch_ended: event('watched', 'watches the job no longer'),
  recording_ended: event('watched', 'ended the recording of the job'),
  recording_failed: event('watched', 'could not record all of the job'),
  recording_read: event('watched', 'took the recording of the job'),
  recording_removed: event('watched', 'removed a recording whose time was over'),
  vote_approve: event('voted', 'voted to approve'),
  vote_reject: event('voted', 'voted to reject'),
  vote_withdrawn: event('withdrawn', 'withdrew a vote'),
  approval_created: event('approved', 'completed an approval'),
  approval_renewed: event('approved', 'renewed an approval'),
  approval_imported: event('approved', 'asked for the approval of what was imported'),
  approval_auto: event('approved', 'was let through without a vote, as the policy allows for those who may approve'),
  approvals_renamed: event('approved', 'carried approvals over to a renamed project'),
  job_tolerated: event('tolerated', 'was let through: the difference is one that the policy tolerates'),
  hold_released: event('released', 'released the hold'),
  job_passed: event('released', 'let the job pass: an approval covers it'),
  job_handed_out: event('handed_over', 'handed the job to the runner'),
  job_undelivered: event('handed_over', 'took the job back: it never reached the runner'),
  job_unconfirmed: event('handed_over', 'gave the job up: the runner never said that it has it'),
  job_confirmed: event('started', 'saw the runner start the job'),
  job_ended: event('finished', 'reported the end of the job'),
  job_canceled: event('finished', 'reported that the job was canceled'),
  hold_ended: event('finished', 'ended the hold'),
  hold_canceled: event('finished', 'canceled the hold'),
  hold_expired: event('finished', 'ended the hold: nobody decided in time'),
  hold_rejected: event('finished', 'ended the hold: it was rejected'),
  retry_asked: event('re_run', 'asks GitLab to run the job again'),
  job_retried: event('re_run', 'had GitLab run the job again'),
  digest_denied: event('refused', 'denied this configuration for later jobs'),
  denial_lifted: event('refused', 'lifted a denial'),
  job_refused: event('refused', 'was refused: this configuration is denied'),
  payload_refused: event('refused', 'was refused: its payload cannot be read'),
  report_refused: event('refused', 'said something that does not fit, and changed nothing'),
  receipt_refused: event('refused', 'refused a job on its host: it has no receipt of having come through the gate'),
  approval_revoked: event('revoked', 'revoked an approval'),
  approval_over: event('revoked', 'an approval came to its end'),
  values_revealed: event('revealed', 'looked at hidden values'),
  deployment_created: event('deployment', 'opened a deployment'),
  deployment_vote_approve: event('voted', 'voted to approve the deployment'),
  deployment_vote_reject: event('voted', 'voted to reject the deployment'),
  deployment_approved: event('approved', 'completed the approval of the deployment'),
  deployment_rejected: event('finished', 'rejected the deployment'),
  deployment_blocked: event('deployment', 'sent the deployment back: approvals are missing again'),
  deployment_run: event('released', 'ran the deployment'),
  deployment_stopped: event('deployment', 'took the start back: who started the deployment may no longer deploy'),
  hold_blocked: event('deployment', 'sent the hold back to wait for its deployment'),
  configuration_passed: event(
    'approved',
    'found the configuration approved; the deployment is left to be approved and run',
  ),
  deployment_running: event('started', 'saw the deployment start'),
  deployment_ended: event('finished', 'saw the deployment end'),
  deployment_broken: event('deployment', 'marked a deployment as broken'),
  deployment_mended: event('deployment', 'lifted the mark of a broken deployment'),
  environment_protected: event('policy_changed', 'protected an environment'),
  environment_changed: event('policy_changed', 'changed the rules of an environment'),
  environment_unprotected: event('policy_changed', 'took the protection of an environment away'),
  environment_asked: event(
    'policy_changed',
    'asked for a change to the rules of an environment; somebody else has to confirm it',
  ),
  environment_confirmed: event('policy_changed', 'confirmed what somebody else wants to change of an environment'),
  environment_withdrawn: event('policy_changed', 'withdrew or refused a change to the rules of an environment'),
  project_options_changed: event('policy_changed', 'changed a setting of all environments of a project'),
  policy_changed: event('policy_changed', 'another version of the policy is in force'),
  token_used: event('token_used', 'used a token from a place that it was not used from before'),
  token_created: event('token', 'made a token'),
  bootstrap_token_created: event('token', 'made the bootstrap token of an empty store'),
  token_rotated: event('token', 'replaced a token by a new one'),
  token_revoked: event('token', 'revoked a token'),
  token_idle: event('token', 'ended a token that nobody used'),
  token_flagged: event('token', 'used a token where no token of a person belongs'),
  credential_lent: event('token', 'lent their own GitLab credential for retries'),
  credential_taken_back: event('token', 'took the lent credential back'),
  signed_in: event('token', 'signed in'),
  signed_out: event('token', 'signed out'),
  sign_in_refused: event('token', 'was refused at signing in'),
  passkey_added: event('token', 'added a passkey'),
  passkey_confirmed: event('token', 'confirmed a passkey of somebody else'),
  passkey_removed: event('token', 'removed a passkey'),
  agent_invited: event('token', 'made a one-time token with which an agent enrols'),
  agent_enrolled: event('token', 'enrolled: its jobs are decided here from now on'),
  agent_revoked: event('token', 'revoked an agent: its link was cut, and it is refused'),
  job_passed_offline: event('released', 'let the job go while the hub was away'),
  break_glass_used: event('break_glass', 'broke the glass: ran something without its approval'),
  break_glass_over: event('break_glass', 'took back what was let go without its approval: it did not start in time'),
  break_glass_overdue: event('break_glass', 'nobody else has looked in time at what was run without its approval'),
  break_glass_review: event('break_glass', 'looked at what was run without its approval'),
  exception_used: event('exception_used', 'made use of an exception to a rule'),
  notified: event('told', 'sends word of it'),
  notification_failed: event('told', 'could not send word of it'),
  notifications_retried: event('told', 'had notifications that could not be sent tried again'),
  help_asked: event('told', 'asked those who can still help for a decision'),
  job_monitored: event('ungated', 'would have been decided like this; the runner only watches'),
  job_diverted: event('ungated', 'sent the job to an unprotected runner'),
  audit_exported: event('system', 'exported the audit'),
  bundle_made: event('system', 'made a bundle for an auditor'),
  retention_applied: event('system', 'removed what the retention of the policy lets go'),
  store_behind: event('system', 'found that the store is older than what an agent knows'),
  tokens_revoked: event('token', 'ended many tokens at once'),
  hub_key_rotated: event('system', 'has handed over to another key that signs from now on; both have signed it'),
  seal_key_rotated: event('system', 'sealed what is parked with another key'),
  variable_key_rotated: event('system', 'hashes hidden values with another key from now on'),
  store_restored: event('system', 'was restored from a backup'),
  audit_broken: event('system', 'found that the audit does not verify'),
  audit_cut: event('system', 'found that the end of the audit was cut off'),
  hub_key_changed: event('system', 'signs with another key from now on'),
} as const satisfies Record<string, AuditEvent>;
/** An event of the table. */
export type AuditEventName = keyof typeof AUDIT_EVENTS;

/** What happened, in words; an event that the table does not have is shown by its name. */
export function eventWords(name: string): string {
  return isKnownEvent(name) ? AUDIT_EVENTS[name].words : name.replaceAll('_', ' ');
}

/** True for an event of the table. */
export function isKnownEvent(name: string): name is AuditEventName {
  return Object.hasOwn(AUDIT_EVENTS, name);
}

/** The events that a word asks for: those of a kind, or the event itself, known or not. */
export function eventsOf(word: string): readonly string[] {
  const kind = word.replaceAll('-', '_');
  const ofKind = Object.entries(AUDIT_EVENTS).filter(([, about]) => about.kind === kind);
  return [...new Set([word, ...ofKind.map(([name]) => name)])];
}

/** Members of a row's detail that name people by their id, whatever the event; lists of ids count as well. */
const PERSON_MEMBERS = ['person', 'owner', 'user', 'trigger', 'voters', 'people'] as const;
/** More people than this stand in no row that anybody would look for by name. */
const MAX_PEOPLE = 100;

/** Ids of the people whose timeline a row belongs to: who did it, and those whom it names. */
export function peopleOfEntry(entry: { readonly actor: string; readonly detail: object }): readonly number[] {
  const actor = /^user:([1-9]\d{0,14})(?: |$)/.exec(entry.actor);
  const detail = entry.detail as Readonly<Record<string, unknown>>;
  const named = PERSON_MEMBERS.filter((name) => Object.hasOwn(detail, name)).flatMap((name) => detail[name]);
  const ids = [actor === null ? null : Number(actor[1]), ...named];
  return [...new Set(ids)]
    .filter((id): id is number => Number.isSafeInteger(id) && Number(id) > 0)
    .slice(0, MAX_PEOPLE);
}
