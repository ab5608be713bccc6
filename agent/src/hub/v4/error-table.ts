/** One answer that is an error: its status and the very words of its body. `{name}` is filled in. */
export interface Row {
  readonly status: number;
  /** The member that carries the text: GitLab's framework says `error`, its own code `message`. */
  readonly member: 'message' | 'error' | 'messages';
  readonly text: string;
  /** When it is answered. */
  readonly when: string;
  /** True where GitLab itself has other words, or none, because it does something else. */
  readonly own?: boolean;
}

/**
 * Every error that /api/v4 answers. `messages` is a list with one text, as GitLab answers what a record does not allow. The
 * page agent/docs/gitlab-api.md is written from it.
 */
export const V4_ERRORS = {
  unauthorized: {
    status: 401,
    member: 'message',
    text: '401 Unauthorized',
    when: 'No token, one that is not known or was revoked, or whose owner is blocked or gone.',
  },
  token_over: {
    status: 401,
    member: 'error',
    text: 'invalid_token',
    when: 'The token has ended; `error_description` says "Token is expired. You can either do re-authorization or token refresh."',
  },
  token_in_url: {
    status: 401,
    member: 'message',
    text: '401 Unauthorized - a token in the URL stands in every log on the way: send it as PRIVATE-TOKEN or Authorization: Bearer',
    when: '`private_token`, `access_token` or `job_token` in the query; GitLab would take it.',
    own: true,
  },
  job_token: {
    status: 401,
    member: 'message',
    text: '401 Unauthorized - the token of a job decides nothing here: send one of a person',
    when: 'The header `JOB-TOKEN`.',
    own: true,
  },
  insufficient_scope: {
    status: 403,
    member: 'error',
    text: 'insufficient_scope',
    when: 'The token has not the scope of the route; `scope` names those that it takes.',
  },
  forbidden: {
    status: 403,
    member: 'message',
    text: '403 Forbidden',
    when: 'The person has not the access: below reporter to read deployments, not who the policy lets edit protected environments, no deploy access to play a job.',
  },
  forbidden_because: {
    status: 403,
    member: 'message',
    text: '403 Forbidden - {reason}',
    when: 'Something else forbids it: the policy takes no change by a token that a job uses, four eyes.',
    own: true,
  },
  sudo: {
    status: 403,
    member: 'message',
    text: '403 Forbidden - Must be admin to use sudo',
    when: '`sudo`, as header or parameter: nobody acts in the name of another here, administrators neither.',
  },
  project_not_found: {
    status: 404,
    member: 'message',
    text: '404 Project Not Found',
    when: 'No such project, or one that the person may not see.',
  },
  group_not_found: {
    status: 404,
    member: 'message',
    text: '404 Group Not Found',
    when: 'No such group, or one that the person may not see.',
  },
  not_found: {
    status: 404,
    member: 'message',
    text: '404 Not found',
    when: 'No such protected environment, deployment, environment or job in this project or group.',
  },
  no_route: {
    status: 404,
    member: 'error',
    text: '404 Not Found',
    when: 'This part of GitLab is not here.',
  },
  parameters: {
    status: 400,
    member: 'error',
    text: '{problems}',
    when: 'Parameters are missing or of the wrong kind: `name is missing`, `deploy_access_levels is invalid`, `status does not have a valid value`, `approval_rules[0][access_level], approval_rules[0][user_id], approval_rules[0][group_id] are missing, at least one parameter must be provided`; all of them, with a comma between.',
  },
  unreadable: {
    status: 400,
    member: 'error',
    text: 'message body does not match declared format',
    when: 'The body is no JSON, no form or has no single reading; a query that cannot be read.',
  },
  content_type: {
    status: 415,
    member: 'error',
    text: "The provided content-type '{type}' is not supported.",
    when: 'A body that is neither JSON nor a form; files.',
  },
  too_large: {
    status: 413,
    member: 'message',
    text: '413 Request Entity Too Large',
    when: 'More than 256 KiB.',
  },
  both_filters: {
    status: 400,
    member: 'message',
    text: '400 Bad request - Both `updated_at` filter and `finished_at` filter can not be specified',
    when: 'List of deployments.',
  },
  finished_order: {
    status: 400,
    member: 'message',
    text: '400 Bad request - `finished_at` filter and `finished_at` sorting must be paired',
    when: 'List of deployments: `finished_after` or `finished_before` without `order_by=finished_at`, or the reverse.',
  },
  finished_status: {
    status: 400,
    member: 'message',
    text: '400 Bad request - `finished_at` filter must be combined with `success` status filter.',
    when: 'List of deployments.',
  },
  short_search: {
    status: 400,
    member: 'message',
    text: '400 Bad request - Search query is less than 3 characters',
    when: 'List of environments.',
  },
  unknown_status: {
    status: 400,
    member: 'message',
    text: 'Unrecognized approval status.',
    when: 'Approval: `status` is neither `approved` nor `rejected`.',
  },
  not_protected: {
    status: 400,
    member: 'message',
    text: 'This environment is not protected.',
    when: 'Approval: nothing protects the environment any more.',
  },
  own_deployment: {
    status: 400,
    member: 'message',
    text: 'You cannot approve your own deployment. This configuration can be adjusted in the protected environment settings.',
    when: 'Approval: the person triggered it and `allow_pipeline_trigger_approve_deployment` is off. Rejecting is possible.',
  },
  no_approvals: {
    status: 400,
    member: 'message',
    text: 'Deployment approvals is not configured for this environment.',
    when: 'Approval: the protection has no approval rules.',
  },
  not_waiting: {
    status: 400,
    member: 'message',
    text: 'This deployment is not waiting for approvals.',
    when: 'Approval: it is no longer `blocked`.',
  },
  may_not_approve: {
    status: 400,
    member: 'message',
    text: "You don't have permission to review this deployment. Contact the project or group owner for help.",
    when: 'Approval: no rule counts the vote of this person. Newer GitLab says "approve" for "review".',
  },
  unknown_rule: {
    status: 400,
    member: 'message',
    text: 'There are no approval rules for the given `represent_as` parameter. Use a valid User/Group/Role name instead.',
    when: 'Approval: `represented_as` names no rule that this person may vote for.',
  },
  unplayable: {
    status: 400,
    member: 'message',
    text: '400 Bad request - Unplayable Job',
    when: 'Play: approvals are missing, or the job was started already or has ended.',
  },
  project_conflict: {
    status: 409,
    member: 'message',
    text: "Environment '{name}' is already protected",
    when: 'POST to `projects/:id/protected_environments`.',
  },
  group_conflict: {
    status: 409,
    member: 'message',
    text: "Protected environment '{name}' already exists",
    when: 'POST to `groups/:id/protected_environments`.',
  },
  changed_meanwhile: {
    status: 409,
    member: 'message',
    text: '409 Conflict',
    when: 'Somebody else changed the same thing at the same moment: send it again.',
  },
  approval_count: {
    status: 422,
    member: 'message',
    text: "Parameter 'required_approval_count' is deprecated and shouldn't be used. See https://gitlab.com/groups/gitlab-org/-/epics/9662",
    when: '`required_approval_count` above 0: write `approval_rules`.',
  },
  no_deploy_access: {
    status: 422,
    member: 'messages',
    text: 'Deploy access levels is too short (minimum is 1 character)',
    when: '`deploy_access_levels` has no element, or none would be left.',
  },
  blank_name: {
    status: 422,
    member: 'messages',
    text: "Name can't be blank",
    when: '`name` is empty.',
  },
  no_tier: {
    status: 422,
    member: 'messages',
    text: 'Name must be one of environment tiers: production, staging, testing, development, other.',
    when: 'A protected environment of a group is named by a tier.',
  },
  too_many_approvals: {
    status: 422,
    member: 'messages',
    text: 'Approval rules required approvals must be less than or equal to {limit}',
    when: '`required_approvals` above the limit: 5, or `edit.max_required_approvals` of the policy.',
  },
  too_few_approvals: {
    status: 422,
    member: 'messages',
    text: 'Approval rules required approvals must be greater than or equal to 1',
    when: '`required_approvals` below 1: it would be met by nobody at all.',
  },
  not_exactly_one: {
    status: 422,
    member: 'messages',
    text: '{list} must have exactly one of user_id, group_id and access_level',
    when: 'An element names several, or none. GitLab drops such an element without a word.',
    own: true,
  },
  unfit_user: {
    status: 422,
    member: 'messages',
    text: '{list} user {id} is not allowed: they must be known, not blocked, and have access to this {level}',
    when: 'GitLab drops such an element without a word.',
    own: true,
  },
  unfit_group: {
    status: 422,
    member: 'messages',
    text: '{list} group {id} is not allowed: there must be such a group',
    when: 'GitLab drops such an element without a word.',
    own: true,
  },
  unknown_element: {
    status: 404,
    member: 'message',
    text: '404 Not found',
    when: 'PUT: `id` names no element of this protected environment.',
  },
  invalid: {
    status: 422,
    member: 'messages',
    text: '{reason}',
    when: 'Anything else that the environment cannot be protected with.',
    own: true,
  },
  rate_limited: {
    status: 429,
    member: 'error',
    text: 'This endpoint has been requested too many times. Try again later.',
    when: 'Too many votes of a person, or wrong tokens from an address, in a minute; with Retry-After.',
  },
  unavailable: {
    status: 503,
    member: 'message',
    text: '503 Service Unavailable',
    when: 'The store, or whatever else is needed, cannot be reached: try again.',
  },
  internal: {
    status: 500,
    member: 'message',
    text: '500 Internal Server Error',
    when: 'The hub failed; its log says more.',
  },
} as const satisfies Record<string, Row>;
/** Name of a row. */
export type V4Code = keyof typeof V4_ERRORS;
