import type { ListedApproval } from '../../../../src/wire/approvals.ts';

/** The approvals of one job of one project. */
export interface JobApprovals {
  readonly key: string;
  readonly job: string;
  readonly project: string;
  readonly approvals: readonly ListedApproval[];
}

/** Approvals by project and job; jobs and approvals in the order in which they come. */
export function byJob(approvals: readonly ListedApproval[]): readonly JobApprovals[] {
  const groups = new Map<string, ListedApproval[]>();
  for (const one of approvals) {
    const key = JSON.stringify([one.instance, one.project_id, one.job]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups].map(([key, list]) => {
    const [{ job, project_path: path, project_id: id } = list[0]!] = list;
    return { key, job, project: path ?? `project ${id}`, approvals: list };
  });
}
