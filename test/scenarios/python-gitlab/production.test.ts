import { afterEach, describe, it } from 'vitest';
import { pythonGitlabClient } from '../../support/gitlab-clients/python-gitlab.ts';
import { openStory, type Story, tellStory } from '../../support/gitlab-clients/story.ts';

let story: Story;
afterEach(() => story.close());

describe("a deployment to production by way of python-gitlab's command", () => {
  it('is approved by both groups and run by the operator, and asks afresh when it is run again', async () => {
    story = await openStory(pythonGitlabClient);
    await tellStory(story);
  }, 300_000);
});
