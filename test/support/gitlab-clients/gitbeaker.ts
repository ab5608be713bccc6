import { GitbeakerRequestError, Gitlab } from '@gitbeaker/rest';
import type { Client, ClientFor, Loose, Said } from './client.ts';

/** @gitbeaker/rest, as published. */
export const gitbeakerClient: ClientFor = (hubUrl, token): Client => {
  const api = new Gitlab({ host: hubUrl, token });
  const said = async (work: () => Promise<unknown>): Promise<Said> => {
    try {
      const body = (await work()) as Loose;
      return { ok: true, status: 200, body, text: JSON.stringify(body) };
    } catch (error) {
      if (!(error instanceof GitbeakerRequestError)) throw error;
      const { description, response } = error.cause as { description: string; response: Response };
      return { ok: false, status: response.status, body: {}, text: description };
    }
  };
  return {
    user: () => said(() => api.Users.showCurrentUser()),
    project: (id) => said(() => api.Projects.show(id)),
    protectGroup: (group, { name, deployAccess, rules }) =>
      said(() =>
        api.GroupProtectedEnvironments.create(group, name, deployAccess as never, { approvalRules: rules as never }),
      ),
    deployments: (project, filter) => said(() => api.Deployments.all(project, filter)),
    deployment: (project, id) => said(() => api.Deployments.show(project, id)),
    vote: (project, id, { status, comment, representedAs }) =>
      said(() =>
        api.Deployments.setApproval(project, id, status as 'approved' | 'rejected', {
          ...(comment === undefined ? {} : { comment }),
          ...(representedAs === undefined ? {} : { representedAs }),
        }),
      ),
    play: (project, job) => said(() => api.Jobs.play(project, job)),
  };
};
