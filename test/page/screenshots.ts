/** Screenshots of the main views, in both themes and at 360 px: small PNGs for README and docs. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { openBrowser } from '../support/page/browser.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { visit } from '../support/page/visit.ts';
import { openScene, type Scene } from '../support/scene.ts';

const root = process.env.HOLDPOINT_SCREENSHOTS ?? process.cwd();
const folder = join(root, 'agent/docs/screenshots');

/** How each view is shown: in both themes on a laptop, and on a phone. */
const LOOKS = [
  { name: 'light', width: 1_200, height: 800, colorScheme: 'light' },
  { name: 'dark', width: 1_200, height: 800, colorScheme: 'dark' },
  { name: 'phone', width: 360, height: 720, colorScheme: 'light' },
] as const;

/** High enough for what changed and the buttons beside it. */
const REVIEW_HEIGHT = 1_250;

const LINES = ['helm lint chart', 'helm upgrade --install api chart --wait', 'kubectl rollout status deployment/api'];

/** A project on an ordinary day: one deployment that changed, some new jobs, one that everybody knows. */
async function day(scene: Scene): Promise<{ readonly hold: number }> {
  scene.runner();
  const image = 'registry.example.com/ops/deployer';
  const known = enqueue(scene, { script: LINES, image: `${image}:4` });
  await scene.approve(known);
  await ended(scene, known, 'success');
  const changed = enqueue(scene, {
    script: [
      ...LINES.slice(0, 1),
      'helm upgrade --install api chart --wait --timeout 10m',
      LINES[2]!,
      './scripts/smoke.sh "$CI_COMMIT_TITLE"',
    ],
    image: `${image}:5`,
  });
  const { id: hold } = await scene.hold(changed, 'waiting_for_approval');
  for (const name of ['build:api', 'build:web', 'build:worker']) {
    const job = enqueue(scene, { fixture: 'build-image.run1', name });
    await scene.hold(job, 'waiting_for_approval');
  }
  const own = enqueue(scene, {
    fixture: 'test-unit.run1',
    options: { user: { id: 21, username: 'maria', name: 'Maria Silva' } },
  });
  await scene.hold(own, 'waiting_for_approval');
  return { hold };
}

const VIEWS: readonly (readonly [
  string,
  (of: { readonly hold: number }) => string,
  (page: Page) => Promise<unknown>,
])[] = [
  ['inbox', () => '/inbox', (page) => page.getByText('The same change in many places').waitFor()],
  ['review', ({ hold }) => `/holds/${hold}`, (page) => page.getByText('What would change').waitFor()],
  ['holds', () => '/holds', (page) => page.getByRole('cell').first().waitFor()],
  ['approvals', () => '/approvals', (page) => page.getByRole('cell').first().waitFor()],
  ['audit', () => '/audit', (page) => page.getByText('completed an approval').first().waitFor()],
  ['figures', () => '/figures', (page) => page.locator('.chart canvas').waitFor()],
];

const built = mkdtempSync(join(tmpdir(), 'holdpoint-screenshots-'));
const { pageBuild } = (await import(new URL('agent/page/build.mjs', `file://${root}/`).href)) as {
  pageBuild: (outDir: string) => Parameters<typeof build>[0];
};
await build(pageBuild(built));
const scene = await openScene({ page: built });
const browser = await openBrowser();
try {
  mkdirSync(folder, { recursive: true });
  const of = await day(scene);
  for (const { name, ...look } of LOOKS) {
    const { page, close } = await visit(browser, scene, 'maria', { ...look, path: '/inbox' });
    for (const [view, path, ready] of VIEWS) {
      await page.goto(`${scene.agent.hubUrl}${path(of)}`);
      await ready(page);
      await page.getByText('Live', { exact: true }).waitFor();
      const file = join(folder, `${view}-${name}.png`);
      // The decision stands below what is decided on.
      await page.setViewportSize({ width: look.width, height: view === 'review' ? REVIEW_HEIGHT : look.height });
      await page.screenshot({ path: file, animations: 'disabled' });
      process.stdout.write(`${file}\n`);
    }
    await close();
  }
} finally {
  await browser.close();
  await scene.close();
  rmSync(built, { recursive: true, force: true });
}
