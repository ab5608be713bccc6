/** What the routes of GitLab's API take. */
import { z } from 'zod';
import { flag, integer, list, moment, number, object, optional, text, word } from './params.ts';

/** More elements in one list are a mistake; each is looked up. */
const MAX_ELEMENTS = 100;
/** As long as GitLab's own. */
const MAX_NAME_CHARS = 255;

/** GitLab's numbers of the access levels that may stand in a rule: developer, maintainer, administrator. */
export const RULE_LEVELS = [30, 40, 60] as const;
/** Direct members of the group alone, or those of the groups above it too. */
export const GROUP_INHERITANCE = { direct: 0, all: 1 } as const;

/** Statuses of a deployment that the list can be asked for; `skipped` is GitLab's and never ours. */
export const DEPLOYMENT_STATUSES = [
  'created',
  'running',
  'success',
  'failed',
  'canceled',
  'skipped',
  'blocked',
] as const;
/** What the list of deployments can be ordered by. */
export const DEPLOYMENT_ORDERS = ['id', 'iid', 'created_at', 'updated_at', 'ref', 'finished_at'] as const;

const whom = {
  access_level: optional(number(RULE_LEVELS)),
  user_id: optional(integer),
  group_id: optional(integer),
  group_inheritance_type: optional(number(Object.values(GROUP_INHERITANCE))),
};
const changed = { id: optional(integer), _destroy: optional(flag) };

const level = object({ ...whom, ...changed });
const rule = object({ ...whom, ...changed, required_approvals: optional(integer) }).superRefine((one, context) => {
  const names = ['access_level', 'user_id', 'group_id'] as const;
  // With an id, what it names stays when nothing else is said.
  if (one.id !== undefined || one._destroy === true || names.some((name) => one[name] !== undefined)) return;
  context.addIssue({ code: 'custom', message: 'names nobody', params: { nobody: names } });
});

const levels = list(level, MAX_ELEMENTS);
const rules = list(rule, MAX_ELEMENTS);
const name = text.pipe(z.string().max(MAX_NAME_CHARS, 'is too long'));

/** One element of `deploy_access_levels` or `approval_rules` as it was sent. */
export type Element = z.output<typeof rule>;

/** A new protected environment. */
export const protectBody = object({
  name,
  deploy_access_levels: levels,
  approval_rules: optional(rules),
  required_approval_count: optional(integer),
});
/** A change of one: elements with an `id` change or (`_destroy`) go, others are added. */
export const reprotectBody = object({
  deploy_access_levels: optional(levels),
  approval_rules: optional(rules),
  required_approval_count: optional(integer),
});

/** A vote. The words of `status` are judged with the deployment, as GitLab does. */
export const approvalBody = object({
  status: text,
  comment: optional(text),
  represented_as: optional(text),
});

/** What of a project can be changed here; everything else is GitLab's. */
export const projectBody = object({ allow_pipeline_trigger_approve_deployment: optional(flag) });

/** Which page of a list; GitLab takes 100 for anything above and the first page for anything below 1. */
export const pagination = {
  page: optional(integer),
  per_page: optional(integer.refine((value) => value !== 0, { message: 'has a value not allowed' })),
};
/** Which deployments, in which order. */
export const deploymentsQuery = object({
  ...pagination,
  order_by: optional(word(DEPLOYMENT_ORDERS)),
  sort: optional(word(['asc', 'desc'])),
  updated_after: optional(moment),
  updated_before: optional(moment),
  finished_after: optional(moment),
  finished_before: optional(moment),
  environment: optional(text),
  status: optional(word(DEPLOYMENT_STATUSES)),
});
/** Which environments. */
export const environmentsQuery = object({
  ...pagination,
  name: optional(text),
  search: optional(text),
  states: optional(word(['available', 'stopping', 'stopped'])),
});
/** A list without a filter. */
export const listQuery = object(pagination);
