/** What runs where now: the last Deployment of each environment that ended well is looked up, not searched for. */
export const statements: readonly string[] = [
  'create index deployments_ended on deployments (environment_id, state, finished_at, id)',
];
