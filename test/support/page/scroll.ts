import type { Page } from 'playwright-core';

/** Parts that a reader goes through before giving up: more than any test has. */
const MAX_TURNS = 500;

/** Goes through a difference as a reader does, until nothing is left that was not on the screen. */
export async function scrollThrough(page: Page): Promise<void> {
  await page.getByRole('heading', { name: /^What would (change|run)/ }).waitFor();
  const more = page.getByRole('button', { name: 'Show what was not seen' });
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if ((await more.count()) === 0) return;
    // It may go away between the look and the click: then there is nothing left to see.
    await more.click({ timeout: 2_000 }).catch(() => {});
  }
  throw new Error(`after ${MAX_TURNS} turns: ${await page.locator('#approve-blocked').textContent()}`);
}
