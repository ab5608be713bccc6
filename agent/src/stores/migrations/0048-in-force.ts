/** What is in force in a project, found at once among a year of approvals that are not any more: every snapshot of an agent asks. */
export const statements: readonly string[] = [
  'create index approvals_in_force on approvals (project_id, ends_at) where revoked_at is null',
];
