import { afterEach, describe, it } from 'vitest';
import { curlClient } from '../../support/gitlab-clients/curl.ts';
import { openStory, type Story, tellStory } from '../../support/gitlab-clients/story.ts';

let story: Story;
afterEach(() => story.close());

describe('a deployment to production by way of curl with form bodies', () => {
  it('is approved by both groups and run by the operator, and asks afresh when it is run again', async () => {
    story = await openStory(curlClient);
    await tellStory(story);
  }, 300_000);
});
