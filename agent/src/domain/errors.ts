/**
 * One table of every error that a person or a program can meet: HTTP status and exit code of the command line.
 * Switch on the code, never on the text. Codes are stable.
 */
export const ERRORS = {
  bad_usage: { status: 400, exit: 2 },
  bad_input: { status: 400, exit: 2 },
  bad_config: { status: 400, exit: 2 },
  payload_refused: { status: 422, exit: 2 },
  variable_key_needed: { status: 422, exit: 2 },
  unauthenticated: { status: 401, exit: 5 },
  token_expired: { status: 401, exit: 5 },
  forbidden: { status: 403, exit: 5 },
  cross_site: { status: 403, exit: 5 },
  sign_in_failed: { status: 401, exit: 5 },
  step_up_required: { status: 403, exit: 5 },
  not_eligible: { status: 403, exit: 5 },
  self_approval: { status: 403, exit: 5 },
  not_found: { status: 404, exit: 3 },
  removed: { status: 410, exit: 3 },
  digest_mismatch: { status: 409, exit: 4 },
  wrong_state: { status: 409, exit: 4 },
  hold_conflict: { status: 409, exit: 4 },
  frozen: { status: 409, exit: 4 },
  comment_required: { status: 422, exit: 2 },
  lifetime_not_allowed: { status: 422, exit: 2 },
  scope_not_allowed: { status: 422, exit: 2 },
  scope_too_narrow: { status: 409, exit: 4 },
  blind_values: { status: 409, exit: 4 },
  cannot_reveal: { status: 409, exit: 4 },
  approvals_missing: { status: 400, exit: 4 },
  no_deploy_access: { status: 403, exit: 5 },
  deployment_broken: { status: 409, exit: 4 },
  already_protected: { status: 409, exit: 4 },
  not_protected: { status: 409, exit: 4 },
  no_approval_rules: { status: 409, exit: 4 },
  too_large: { status: 413, exit: 2 },
  rate_limited: { status: 429, exit: 1 },
  audit_broken: { status: 500, exit: 1 },
  not_ready: { status: 503, exit: 1 },
  store_unavailable: { status: 503, exit: 1 },
  hub_unreachable: { status: 502, exit: 6 },
  ci_unreachable: { status: 502, exit: 1 },
  provider_unreachable: { status: 502, exit: 1 },
  internal: { status: 500, exit: 1 },
} as const satisfies Record<string, { status: number; exit: number }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error whose message is fit for people: subject, found, wanted, way out; no secret, no payload, no stack. */
export class HoldpointError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'HoldpointError';
    this.code = code;
  }
}
